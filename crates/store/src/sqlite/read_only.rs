//! Reads a database and changes nothing in its folder, whether or not a server runs.
//!
//! A connection of SQLite creates `-wal` and `-shm` beside a file in WAL mode, even if it only
//! reads. Files that root creates in this way can stop a service that runs as another user.

use std::fs::metadata;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::files::{self, beside};
use super::{integrity, poll_ready, schema};
use crate::sql::check::every_row;
use crate::sql::{Tx, inspection};
use crate::{Inspection, Result, StoreError};

/// Reads what the database says about itself. Returns `None` if there is no file.
pub fn inspect(path: &Path) -> Result<Option<Inspection>> {
    if !super::exists(path)? {
        return Ok(None);
    }
    let path = files::in_real_folder(path)?;
    let found = inspect_existing(&path).map_err(|error| integrity::at_start(&path, error))?;
    Ok(Some(found))
}

fn inspect_existing(path: &Path) -> Result<Inspection> {
    let mut connection = open(path)?;
    schema::refuse_foreign(&connection)?;
    schema::refuse_newer(&connection)?;
    let version = schema::version(&connection)?;
    if schema::pending(version).is_empty() {
        schema::check(&connection)?;
    }
    let tx = &mut Tx::sqlite(&mut connection);
    Ok(Inspection {
        pending: schema::pending(version),
        contents: match version {
            0 => None,
            _ => Some(poll_ready(inspection::contents(tx))?),
        },
    })
}

/// Checks the structure of all pages, for a few seconds at most. If `full`, checks also the indexes
/// and the references between tables, reads every row, and returns the number of rows.
pub fn check(path: &Path, full: bool) -> Result<Option<u64>> {
    let path = files::in_real_folder(path)?;
    let checked = open(&path).and_then(|mut connection| {
        if !full {
            return integrity::quick(&connection).map(|()| None);
        }
        integrity::full(&connection)?;
        poll_ready(every_row(&mut Tx::sqlite(&mut connection))).map(Some)
    });
    checked.map_err(|error| integrity::at_start(&path, error))
}

/// Opens an existing file to read it.
///
/// 1. With a write-ahead log and its index: as any reader. Both files exist, so none is created.
/// 2. Without a log, or with an empty one: no process is writing, so the file does not change.
/// 3. With a log but without its index, as after a copy: no process has the database open. The
///    index is built in memory.
pub(super) fn open(path: &Path) -> Result<Connection> {
    files::refuse_links(path)?;
    let log = metadata(beside(path, "-wal")).map(|log| log.len()).ok();
    let has_index = beside(path, "-shm").exists();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match log {
        Some(_) if has_index => Connection::open_with_flags(path, flags)?,
        None | Some(0) => Connection::open_with_flags(
            format!("file:{}?immutable=1", escaped(path)?),
            flags | OpenFlags::SQLITE_OPEN_URI,
        )?,
        Some(_) => {
            // Without locks, because a lock for one connection alone needs a writable file.
            let connection = Connection::open_with_flags_and_vfs(path, flags, "unix-none")?;
            connection.pragma_update(None, "locking_mode", "exclusive")?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection
        }
    };
    connection.busy_timeout(Duration::from_secs(2))?;
    Ok(connection)
}

/// The path in a URI of SQLite (sqlite.org/uri.html).
fn escaped(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(StoreError::unavailable)?;
    let bytes = absolute.as_os_str().as_encoded_bytes().iter();
    Ok(bytes
        .map(|&byte| match byte {
            b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect())
}
