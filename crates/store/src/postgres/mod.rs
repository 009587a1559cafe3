//! PostgreSQL, for more than one node.
//!
//! Nodes share rows and nothing else: no LISTEN/NOTIFY, no advisory locks, and no sequence on the
//! hot path. So any server that speaks this SQL will do.
//!
//! Only completed work returns its connection to the pool ([`connection`]). If a deadline cuts work
//! short, its connection is closed, so that later work never reads a late answer.

mod batcher;
mod clock;
mod connection;
mod durability;
mod inspection;
mod lock_wait;
mod open_session;
mod rotate_session;
mod schema;
#[cfg(all(test, feature = "conformance"))]
mod tests;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};
use tm_auth_core::session::NewSession;
use tokio::sync::Semaphore;

use crate::Store;
use crate::sql::{Engine, Tx};
use crate::{Result, Rotation, StoreError};
pub(crate) use batcher::Batched;
use batcher::Batcher;
pub use clock::MAX_APART;
use connection::PooledConnection;
pub use inspection::{ServerState, check_rows, inspect};

/// How to connect to a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/name?sslmode=verify-full&sslrootcert=/path`. A secret.
    pub url: String,
    /// Maximum number of connections of this process.
    pub max_connections: u32,
}

/// How long to wait for the answer to a statement. Less than the deadline of a request.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long to wait for a connection, so that no caller waits long for a server that is down.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is pinged before it is used.
const STILL: Duration = Duration::from_secs(1);
/// Maximum number of callers that wait for a connection. Further callers fail at once, since the
/// database is overloaded.
const MAX_WAITING: usize = 1024;
/// Connections of the batchers.
const LANES: u32 = 2;
/// Maximum number of attempts of a transaction that conflicts with others.
const MAX_ATTEMPTS: u32 = 40;

/// An opened database.
pub(crate) struct Postgres {
    pool: PgPool,
    /// Each batcher has its own connection.
    openings: Batcher<NewSession>,
    rotations: Batcher<Rotation>,
    waiting: Semaphore,
    /// This machine's clock, to be compared with the server's.
    clock: clock::Clock,
    comparison: clock::Comparison,
    /// Fewer than the connections, so that writers never take the connections that reads need.
    writers: Semaphore,
}

/// Connects and runs pending migrations. Warns if the server may lose acknowledged changes.
pub async fn open(options: &PostgresOptions) -> Result<Store> {
    let postgres = connect(options)?;
    schema::migrate(&postgres.pool).await?;
    schema::check(&postgres.pool).await?;
    durability::warn(&postgres.pool).await?;
    Ok(Store::new(Engine::Postgres(postgres)))
}

/// Returns the names of the migrations that [`open`] would run. Writes nothing. Fails if this version
/// of the program is too old for the schema.
pub async fn pending_migrations(options: &PostgresOptions) -> Result<Vec<&'static str>> {
    let postgres = connect(options)?;
    schema::refuse_newer(&postgres.pool).await?;
    Ok(schema::pending(schema::version(&postgres.pool).await?))
}

/// Whether the database has no schema yet.
pub async fn is_empty(options: &PostgresOptions) -> Result<bool> {
    let postgres = connect(options)?;
    Ok(schema::version(&postgres.pool).await? == 0)
}

fn connect(options: &PostgresOptions) -> Result<Postgres> {
    // The URL contains the password, so no part of it may reach a message.
    let unreadable = |_| StoreError::unusable("the PostgreSQL URL cannot be read");
    let patience = PATIENCE.as_millis().to_string();
    let connect = options
        .url
        .parse::<PgConnectOptions>()
        .map_err(unreadable)?
        .application_name("tm-auth")
        .disable_statement_logging()
        // The locks of a node that died must not outlast the deadline of a request.
        .options([
            ("statement_timeout", &patience),
            ("lock_timeout", &patience),
            ("idle_in_transaction_session_timeout", &patience),
        ]);
    let pool = |connections: u32| {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE_TO_CONNECT)
            .test_before_acquire(false)
            .before_acquire(|connection, kept| {
                Box::pin(async move {
                    if kept.idle_for > STILL {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(connect.clone())
    };
    let shared = options.max_connections.saturating_sub(LANES).max(2);
    Ok(Postgres {
        pool: pool(shared),
        openings: Batcher::start(pool(1)),
        rotations: Batcher::start(pool(1)),
        waiting: Semaphore::new(MAX_WAITING),
        clock: clock::system,
        comparison: clock::Comparison::default(),
        writers: Semaphore::new(shared.div_ceil(2) as usize),
    })
}

impl Postgres {
    /// Runs `work` in a SERIALIZABLE transaction, and again after a conflict.
    pub(crate) async fn write<T>(&self, work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.transaction("BEGIN ISOLATION LEVEL SERIALIZABLE", work).await
    }

    /// Runs `work` in a READ COMMITTED transaction, and again after a conflict, such as a deadlock.
    pub(crate) async fn write_read_committed<T>(
        &self,
        work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        self.transaction("BEGIN ISOLATION LEVEL READ COMMITTED", work)
            .await
    }

    /// Runs `work` in a read-only transaction on one snapshot.
    pub(crate) async fn snapshot<T>(&self, work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work)
            .await
    }

    /// Runs `work` without a transaction.
    pub(crate) async fn read<T>(&self, work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let _place = self.waiting.try_acquire().map_err(|_| overloaded())?;
        let mut pooled = PooledConnection::from(self.pool.acquire().await?);
        let outcome = work(&mut Tx::postgres(pooled.connection())).await?;
        pooled.give_back();
        Ok(outcome)
    }

    /// Writes an item together with those of other callers. `None`: use [`Postgres::write`].
    pub(crate) async fn batch<I: Batched>(&self, item: I) -> Result<Option<I::Outcome>> {
        I::lane(self).submit(item).await
    }

    async fn transaction<T>(
        &self,
        begin: &'static str,
        work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        let _place = self.waiting.try_acquire().map_err(|_| overloaded())?;
        let _turn = self.writers.acquire().await.map_err(|_| overloaded())?;
        for attempt in 1.. {
            let mut pooled = PooledConnection::from(self.pool.acquire().await?);
            match connection::transaction(pooled.connection(), begin, work).await {
                Ok(outcome) => {
                    pooled.give_back();
                    return Ok(outcome);
                }
                Err(failed) if failed.conflict && attempt < MAX_ATTEMPTS => {
                    pooled.give_back();
                    tokio::time::sleep(pause(attempt)).await;
                }
                Err(failed) => return Err(failed.error),
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// Returns a random pause, longer with each attempt, so that transactions do not conflict again.
fn pause(attempt: u32) -> Duration {
    Duration::from_micros(rand::random_range(500..=2_000 * u64::from(attempt.min(20))))
}

fn overloaded() -> StoreError {
    StoreError::unavailable("too many callers wait for the database")
}

/// Whether another transaction made this one fail, so that a retry may succeed.
pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    matches!(
        code.as_deref(),
        Some(
            "40001"   // serialization_failure
            | "40P01" // deadlock_detected
            | "23505" // unique_violation: another transaction inserted the row first
        )
    )
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::damaged(error),
            sqlx::Error::Database(ref database) => match database.code().as_deref() {
                // Wrong password, unknown user, unknown database, missing privilege: a retry does
                // not help.
                Some("28P01" | "28000" | "3D000" | "42501") => Self::unusable(error),
                _ => Self::unavailable(error),
            },
            _ => Self::unavailable(error),
        }
    }
}
