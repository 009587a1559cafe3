//! Whether the pages of the file are those of a database.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::Chain;
use crate::{Result, StoreError};

/// How long a start waits for the quick check. It reads the whole file, so a large one is checked
/// in part.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks the structure of all pages, for [`PATIENCE`] at most. Compares no index with its table.
pub(super) fn quick(connection: &Connection) -> Result<()> {
    quick_within(connection, PATIENCE)
}

pub(super) fn quick_within(connection: &Connection, patience: Duration) -> Result<()> {
    let interrupt = connection.get_interrupt_handle();
    let (done, is_done) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        });
        let found = problems(connection, "quick_check");
        drop(done);
        match found {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == rusqlite::ErrorCode::OperationInterrupted =>
            {
                tracing::warn!("the database is too large to be checked as a whole at a start");
                Ok(())
            }
            found => judge(&found?),
        }
    })
}

/// Checks the structure of all pages, that each index has what its table has, the types of all
/// columns, and that each reference leads to a row.
pub(super) fn full(connection: &Connection) -> Result<()> {
    judge(&problems(connection, "integrity_check")?)?;
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let dangling: Option<(String, String)> = statement
        .query_map([], |row| Ok((row.get("table")?, row.get("parent")?)))?
        .next()
        .transpose()?;
    match dangling {
        None => Ok(()),
        Some((table, parent)) => Err(StoreError::corrupt(format!(
            "a row of {table} refers to a row of {parent} that is missing"
        ))),
    }
}

/// The lines of a check. The first one is `ok` if there is no problem.
fn problems(connection: &Connection, check: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA {check}(3)"))?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn judge(problems: &[String]) -> Result<()> {
    match problems {
        [one] if one == "ok" => Ok(()),
        _ => Err(StoreError::corrupt(problems.join("; ").replace('\n', " "))),
    }
}

/// Turns the damage that a start finds into an error that says what to do.
pub(super) fn at_start(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(_) => StoreError::unusable(format!(
            "{} is damaged or not a SQLite database ({}): stop everything that uses it and restore a backup with `tm-auth restore BACKUP`, which keeps this file",
            path.display(),
            Chain(&error)
        )),
        StoreError::Unavailable(_) | StoreError::Damaged(_) | StoreError::Unusable(_) => error,
    }
}
