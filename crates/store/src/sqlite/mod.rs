//! SQLite, the embedded default: one machine, and no database server to run.
//!
//! One thread writes and commits in groups ([`writer`]), a few connections read ([`reader`]). With
//! WAL and `synchronous=FULL` an acknowledged write survives a power cut. A second *server* on the
//! file is refused ([`lock`]). Administrative commands write beside the running one.

mod backup;
mod files;
mod identity;
mod integrity;
mod lock;
mod read_only;
mod reader;
mod restore;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub use read_only::{check, inspect};
pub use restore::{RestoreOptions, Restored, restore};

use crate::sql::{Engine, Tx};
use crate::{Result, Store, StoreError};

/// How to open a database file.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file. If it does not exist, it is created with mode 0600.
    pub path: PathBuf,
    /// Role of the process that opens the file.
    pub role: Role,
    /// Whether a commit waits for the disk.
    pub synchronous: Synchronous,
}

/// Role of the process that opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The only server, which takes the lock.
    Server,
    /// A command, which can run beside the server.
    Command,
}

/// SQLite's `synchronous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// A commit returns once it is on the disk. A power cut loses no acknowledged write.
    Full,
    /// A commit returns before it is on the disk. Only for tests.
    Off,
}

/// An opened file: one connection that writes, and some that read.
pub(crate) struct Sqlite {
    path: PathBuf,
    writer: writer::Writer,
    readers: reader::Readers,
    identity: identity::Identity,
    _lock: Option<lock::ServerLock>,
}

/// Opens a database and runs pending migrations. A server also checks the file.
pub fn open(options: &SqliteOptions) -> Result<Store> {
    lock::refuse_network_filesystem(&options.path)?;
    let path = files::in_real_folder(&options.path)?;
    let in_use = lock::InUse::share(&path)?;
    restore::refuse_interrupted(&path)?;
    files::create_database(&path)?;
    let lock = match options.role {
        Role::Server => Some(lock::ServerLock::take(&path, lock::LOCK_WAIT)?),
        Role::Command => None,
    };
    let opened = || {
        let mut connection = connect(&path, options.synchronous)?;
        if options.role == Role::Server {
            integrity::quick(&connection)?;
        }
        schema::migrate(&mut connection)?;
        schema::check(&connection)?;
        Ok(connection)
    };
    let connection = opened().map_err(|error| integrity::at_start(&path, error))?;
    let identity = identity::Identity::of(&path);
    Ok(Store::new(Engine::Sqlite(Sqlite {
        path: path.clone(),
        writer: writer::Writer::start(connection, identity.clone()),
        readers: reader::Readers::new(path, identity.clone(), Arc::new(in_use)),
        identity,
        _lock: lock,
    })))
}

/// Opens a file that exists and is not a symbolic link.
fn open_existing(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// Returns the names of the migrations that [`open`] would run on this file. Writes nothing. Fails if
/// this version of the program is too old for the schema.
pub fn pending_migrations(path: &Path) -> Result<Vec<&'static str>> {
    if !exists(path)? {
        return Ok(schema::pending(0));
    }
    let path = &files::in_real_folder(path)?;
    let version = read_only::open(path).and_then(|connection| {
        schema::refuse_newer(&connection)?;
        schema::version(&connection)
    });
    let version = version.map_err(|error| integrity::at_start(path, error))?;
    Ok(schema::pending(version))
}

/// Whether there is a database. Fails if a restore of it was interrupted.
pub fn exists(path: &Path) -> Result<bool> {
    // Without its folder there is no database.
    if let Ok(path) = files::in_real_folder(path) {
        restore::refuse_interrupted(&path)?;
    }
    Ok(path.exists())
}

/// Returns the files of a database that group or others can open, with their modes. [`open`] takes
/// them away from other users.
pub fn exposed_files(path: &Path) -> Vec<(PathBuf, u32)> {
    files::exposed_files(path)
}

impl Sqlite {
    /// Runs `work` in a transaction of the writer, and returns once it is durable.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.identity.refuse_lost()?;
        self.writer.submit(work).await
    }

    /// Runs `work` on the committed state.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.identity.refuse_lost()?;
        self.readers.read(work).await
    }

    /// Fails if a file of the database was removed or replaced.
    pub(crate) fn check_identity(&self) -> Result<()> {
        self.identity.check()
    }

    /// See [`crate::Store::check_file`].
    pub(crate) async fn check(&self, full: bool) -> Result<()> {
        let path = self.path.clone();
        let check = if full { integrity::full } else { integrity::quick };
        tokio::task::spawn_blocking(move || check(&open_existing(&path)?))
            .await
            .map_err(StoreError::unavailable)?
    }

    /// See [`crate::Store::backup`].
    pub(crate) async fn backup(&self, target: &Path) -> Result<()> {
        let (source, target) = (self.path.clone(), target.to_owned());
        tokio::task::spawn_blocking(move || backup::copy(&source, &target))
            .await
            .map_err(StoreError::unavailable)?
    }
}

/// Returns the outcome of work that never waits, since its statements complete within the call.
fn poll_ready<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("work on SQLite never waits"),
    }
}

fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Opens a connection with the settings of a writer.
pub(crate) fn connect(path: &Path, synchronous: Synchronous) -> Result<Connection> {
    let connection = open_existing(path)?;
    // A command can hold a lock for a moment.
    connection.busy_timeout(Duration::from_secs(5))?;
    // First, since later settings could change another program's file.
    schema::refuse_foreign(&connection)?;
    keep_prepared(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(
        None,
        "synchronous",
        match synchronous {
            Synchronous::Full => "full",
            Synchronous::Off => "off",
        },
    )?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Closes a connection. The last one that is closed removes `-wal` and `-shm` by their names. If these
/// belong to another database now, the connection stays open until the process ends.
fn close(connection: Connection, identity: &identity::Identity) {
    // The error is ignored: it says that the files were replaced.
    let _ = identity.check();
    if identity.is_lost() {
        std::mem::forget(connection);
    }
}

/// Number of statements that a connection keeps prepared. More than there are hot ones.
const PREPARED: usize = 64;

/// Keeps statements prepared from one execution to the next. Without QPSG, SQLite prepares a
/// statement again at every execution if a plan could depend on a bound value, and a mint spends
/// more time on that than on its row.
fn keep_prepared(connection: &Connection) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Self::damaged(error),
            // Only a restore helps.
            rusqlite::Error::SqliteFailure(failure, _)
                if matches!(failure.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
            {
                Self::corrupt(error)
            }
            other => Self::unavailable(other),
        }
    }
}

// The tests use the fixtures of the conformance suite.
#[cfg(all(test, feature = "conformance"))]
mod tests;
