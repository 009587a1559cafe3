//! SQLite, the embedded default: one machine, nothing to run beside the service.
//!
//! One thread writes and commits in groups ([`writer`]); a few connections read ([`reader`]). WAL with
//! `synchronous=FULL`: an acknowledged write survives a power cut. A second *server* on the file is refused
//! ([`lock`]); administrative commands write beside the running one.

mod account;
mod api_key;
mod apple_identity;
mod audit;
mod ceremony;
mod contact;
mod housekeeping;
mod identity;
mod key_refusal;
mod lock;
mod passkey;
mod person_session;
mod reader;
mod recovery;
mod reminder;
mod revocation;
mod row;
mod schema;
mod service_key;
mod session;
mod sign_in_code;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tm_auth_core::person::is_persons;
use tm_auth_core::registration::ConfirmedKey;
use tm_auth_core::session::NewSession;
use tm_auth_core::signing::StoredKey;
use tm_auth_core::token::refresh::Presented;
use tm_auth_core::{Account, ApiKey, Refusal};
use tm_auth_proto::{AccountId, Environment, KeyId};

use crate::{
    AuditEntry, Changes, KeyChange, KeyUse, NewAccount, NewApiKey, OpenOutcome, Origin, Result, Retention,
    Revocation, Rotated, Rotation, Store, StoreError, Swept,
};

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

/// A SQLite database.
pub struct SqliteStore {
    path: PathBuf,
    writer: writer::Writer,
    readers: reader::Readers,
    _lock: Option<lock::ServerLock>,
}

impl SqliteStore {
    /// Opens a database and brings its schema up to date.
    pub fn open(options: &SqliteOptions) -> Result<Self> {
        lock::refuse_network_filesystem(&options.path)?;
        lock::create_private(&options.path)?;
        let lock = match options.role {
            Role::Server => Some(lock::ServerLock::take(&options.path)?),
            Role::Command => None,
        };
        let mut connection = connect(&options.path, options.synchronous)?;
        schema::migrate(&mut connection)?;
        Ok(Self {
            path: options.path.clone(),
            writer: writer::Writer::start(connection),
            readers: reader::Readers::new(options.path.clone()),
            _lock: lock,
        })
    }

    /// The migrations that [`SqliteStore::open`] would run on this file, by name. Writes nothing.
    pub fn pending_migrations(path: &Path) -> Result<Vec<&'static str>> {
        if !path.exists() {
            return Ok(schema::pending(0));
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(schema::pending(schema::version(&connection)?))
    }
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
            | rusqlite::Error::IntegralValueOutOfRange(..) => Self::Damaged(error.to_string()),
            // Trying again will not help.
            rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::NotADatabase => {
                Self::Unusable("the file is no SQLite database".to_owned())
            }
            other => Self::Unavailable(other.to_string()),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn bind_environment(&self, environment: Environment) -> Result<()> {
        self.writer
            .submit(move |tx| schema::bind_environment(tx, environment))
            .await
    }

    async fn ping(&self) -> Result<()> {
        self.writer.submit(housekeeping::ping).await
    }

    async fn create_account(&self, new: NewAccount, origin: &Origin) -> Result<Option<Account>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| account::create(tx, &new, &origin))
            .await
    }

    async fn account(&self, uid: AccountId) -> Result<Option<Account>> {
        self.readers.read(move |db| account::get(db, uid)).await
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.readers.read(account::all).await
    }

    async fn set_account_disabled(
        &self,
        uid: AccountId,
        disabled_at: Option<Timestamp>,
        origin: &Origin,
    ) -> Result<bool> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| account::set_disabled(tx, uid, disabled_at, &origin))
            .await
    }

    async fn api_key(&self, key_id: KeyId) -> Result<Option<ApiKey>> {
        self.readers.read(move |db| api_key::get(db, key_id)).await
    }

    async fn api_keys_of(&self, uid: AccountId) -> Result<Vec<(ApiKey, Option<KeyUse>)>> {
        self.readers.read(move |db| api_key::of_account(db, uid)).await
    }

    async fn register_key(
        &self,
        new: NewApiKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| api_key::register(tx, &new, max_live, &origin))
            .await
    }

    async fn activate_key(
        &self,
        uid: AccountId,
        confirmed: ConfirmedKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| api_key::activate(tx, uid, confirmed.key_id(), max_live, &origin))
            .await
    }

    async fn update_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        change: KeyChange,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| api_key::update(tx, uid, key_id, &change, &origin))
            .await
    }

    async fn revoke_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| api_key::revoke(tx, uid, key_id, &origin))
            .await
    }

    async fn record_use(&self, uses: Vec<KeyUse>) -> Result<()> {
        self.writer.submit(move |tx| api_key::record_use(tx, &uses)).await
    }

    async fn open_session(&self, new: NewSession) -> Result<OpenOutcome> {
        self.writer.submit(move |tx| session::open(tx, &new)).await
    }

    async fn rotate_session(&self, rotation: Rotation) -> Result<Result<Rotated, Refusal>> {
        self.writer.submit(move |tx| session::rotate(tx, &rotation)).await
    }

    async fn end_session(&self, presented: Presented, origin: &Origin) -> Result<bool> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| {
                if is_persons(presented.sid) {
                    person_session::end_presented(tx, &presented, &origin)
                } else {
                    session::end(tx, &presented, &origin)
                }
            })
            .await
    }

    async fn service_keys(&self) -> Result<(i64, Vec<StoredKey>)> {
        self.readers.read(service_key::all).await
    }

    async fn update_service_keys(
        &self,
        version: i64,
        put: Vec<StoredKey>,
        remove: Vec<String>,
        origin: &Origin,
    ) -> Result<bool> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| service_key::update(tx, version, &put, &remove, &origin))
            .await
    }

    async fn revocations(&self, since: Timestamp) -> Result<Vec<Revocation>> {
        self.readers.read(move |db| revocation::since(db, since)).await
    }

    async fn revoke(&self, revocation: Revocation, origin: &Origin) -> Result<()> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| revocation::add_audited(tx, revocation, &origin))
            .await
    }

    async fn changes(&self, after: i64) -> Result<Changes> {
        self.readers
            .read(move |db| housekeeping::changes(db, after))
            .await
    }

    async fn audit(&self, entries: Vec<AuditEntry>) -> Result<()> {
        self.writer
            .submit(move |tx| entries.iter().try_for_each(|entry| audit::add(tx, entry)))
            .await
    }

    async fn audit_trail(&self, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>> {
        self.readers.read(move |db| audit::newest(db, uid, limit)).await
    }

    async fn sweep(&self, now: Timestamp, retention: &Retention) -> Result<Swept> {
        let (retention, after) = (*retention, self.writer.sweep_position());
        let (swept, position) = self
            .writer
            .submit(move |tx| housekeeping::sweep(tx, now, &retention, after))
            .await?;
        self.writer.set_sweep_position(position);
        Ok(swept)
    }

    async fn backup(&self, target: &Path) -> Result<()> {
        let target = target.to_owned();
        let source = self.path.clone();
        tokio::task::spawn_blocking(move || housekeeping::backup(&source, &target))
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    async fn mark_recovered(&self, at: Timestamp, end_sessions: bool, origin: &Origin) -> Result<u64> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| housekeeping::mark_recovered(tx, at, end_sessions, &origin))
            .await
    }
}

// They begin with what the suite's cases begin with.
#[cfg(all(test, feature = "conformance"))]
mod tests;
