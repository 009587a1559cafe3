//! SQLite, the embedded default: one machine, nothing to run beside the service.
//!
//! One thread writes and commits in groups ([`writer`]); a few connections read ([`reader`]). WAL
//! with `synchronous=FULL`: an acknowledged write survives a power cut. A second *server* on the
//! file is refused ([`lock`]); administrative commands write beside the running one.

mod backup;
mod lock;
mod reader;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::sql::{Engine, Tx};
use crate::{Result, Store, StoreError};

/// How a database file is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file; made with mode 0600 where it does not exist.
    pub path: PathBuf,
    /// Who opens it.
    pub role: Role,
    /// When a commit counts as done.
    pub synchronous: Synchronous,
}

/// Who opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one server: takes the lock.
    Server,
    /// A command beside it.
    Command,
}

/// SQLite's `synchronous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// A commit is on the disk when it returns: no acknowledged write is lost to a power cut.
    Full,
    /// It is not. Only for tests that show what `Full` is for.
    Off,
}

/// An opened file: the one connection that writes, and those that read.
pub(crate) struct Sqlite {
    path: PathBuf,
    writer: writer::Writer,
    readers: reader::Readers,
    _lock: Option<lock::ServerLock>,
}

/// Opens a database and brings its schema up to date.
pub fn open(options: &SqliteOptions) -> Result<Store> {
    lock::refuse_network_filesystem(&options.path)?;
    lock::create_private(&options.path)?;
    let lock = match options.role {
        Role::Server => Some(lock::ServerLock::take(&options.path)?),
        Role::Command => None,
    };
    let mut connection = connect(&options.path, options.synchronous)?;
    schema::migrate(&mut connection)?;
    Ok(Store::new(Engine::Sqlite(Sqlite {
        path: options.path.clone(),
        writer: writer::Writer::start(connection),
        readers: reader::Readers::new(options.path.clone()),
        _lock: lock,
    })))
}

/// The migrations that [`open`] would run on this file, by name. Writes nothing.
pub fn pending_migrations(path: &Path) -> Result<Vec<&'static str>> {
    if !path.exists() {
        return Ok(schema::pending(0));
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(schema::pending(schema::version(&connection)?))
}

impl Sqlite {
    /// Runs `work` in a transaction of the writer's and returns once it is durable.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.submit(work).await
    }

    /// Runs `work` on what is committed.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.read(work).await
    }

    /// See [`crate::Store::backup`].
    pub(crate) async fn backup(&self, target: &Path) -> Result<()> {
        let (source, target) = (self.path.clone(), target.to_owned());
        tokio::task::spawn_blocking(move || backup::copy(&source, &target))
            .await
            .map_err(StoreError::unavailable)?
    }
}

/// The outcome of work whose statements are all done when they return.
fn poll_ready<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("nothing that works on SQLite waits"),
    }
}

fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Opens a connection with the settings that every writer needs.
fn connect(path: &Path, synchronous: Synchronous) -> Result<Connection> {
    let connection = Connection::open(path)?;
    // Beside a running command a lock may be held for a moment.
    connection.busy_timeout(Duration::from_secs(5))?;
    // Before the first setting that would change another program's file.
    schema::refuse_foreign(&connection)?;
    connection.set_prepared_statement_cache_capacity(64);
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

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Self::damaged(error),
            // Trying again will not help.
            rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::NotADatabase => {
                Self::unusable("the file is not a SQLite database")
            }
            other => Self::unavailable(other),
        }
    }
}

// They begin with what the suite's cases begin with.
#[cfg(all(test, feature = "conformance"))]
mod tests;
