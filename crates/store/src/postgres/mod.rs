//! PostgreSQL: for more than one node.
//!
//! Plain SQL, and nothing that only one server could know: no LISTEN/NOTIFY, no advisory locks, no
//! sequence where requests wait for it. Nodes meet in rows alone.
//!
//! A connection is given back only by work that ended well ([`connection`]); whatever a deadline
//! cut short takes its connection along, so that no late answer is ever read as another's.

mod batcher;
mod clock;
mod connection;
mod durability;
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

/// How a PostgreSQL database is reached.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/name?sslmode=verify-full&sslrootcert=/path`. Holds a
    /// secret.
    pub url: String,
    /// Connections that this process keeps at most.
    pub max_connections: u32,
}

/// Waiting for the server's answer to a statement. Below the deadline of a request.
const PATIENCE: Duration = Duration::from_secs(4);
/// Longest wait for a connection, so that a server that is down does not keep callers for long.
const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(2);
/// A connection that lay still for longer is asked whether it lives before it is used.
const STILL: Duration = Duration::from_secs(1);
/// Callers that may wait for a connection. Beyond it they hear at once that the database is
/// overloaded.
const MAX_WAITING: usize = 1024;
/// Connections of the lanes.
const LANES: u32 = 2;
/// Most attempts of a transaction that conflicts with others.
const MAX_ATTEMPTS: u32 = 40;

/// An opened database.
pub(crate) struct Postgres {
    pool: PgPool,
    /// With a connection each that nothing else may take.
    openings: Batcher<NewSession>,
    rotations: Batcher<Rotation>,
    waiting: Semaphore,
    /// This machine's, to be compared with the server's.
    clock: clock::Clock,
    /// Fewer than there are connections: reads (caches, changes) always find one, however many
    /// write.
    writers: Semaphore,
}

/// Connects and brings the schema up to date. Warns where the server may forget what it
/// acknowledged.
pub async fn open(options: &PostgresOptions) -> Result<Store> {
    let postgres = connect(options)?;
    schema::migrate(&postgres.pool).await?;
    durability::warn(&postgres.pool).await?;
    Ok(Store::new(Engine::Postgres(postgres)))
}

/// The migrations that [`open`] would run, by name. Writes nothing.
pub async fn pending_migrations(options: &PostgresOptions) -> Result<Vec<&'static str>> {
    let postgres = connect(options)?;
    Ok(schema::pending(schema::version(&postgres.pool).await?))
}

/// Whether there is no schema yet.
pub async fn is_empty(options: &PostgresOptions) -> Result<bool> {
    let postgres = connect(options)?;
    Ok(schema::version(&postgres.pool).await? == 0)
}

fn connect(options: &PostgresOptions) -> Result<Postgres> {
    // The URL holds the password: no part of it may reach a message.
    let unreadable = |_| StoreError::unusable("the PostgreSQL URL cannot be read");
    let patience = PATIENCE.as_millis().to_string();
    let connect = options
        .url
        .parse::<PgConnectOptions>()
        .map_err(unreadable)?
        .application_name("tm-auth")
        .disable_statement_logging()
        // What a node left behind half done must not hold its locks for longer than a request may
        // wait.
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
        writers: Semaphore::new(shared.div_ceil(2) as usize),
    })
}

impl Postgres {
    /// Runs `work` in a SERIALIZABLE transaction; again where another one was in the way.
    pub(crate) async fn write<T>(&self, work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.transaction("BEGIN ISOLATION LEVEL SERIALIZABLE", work).await
    }

    /// Runs `work` in a READ COMMITTED transaction; again after a deadlock.
    pub(crate) async fn write_read_committed<T>(
        &self,
        work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>,
    ) -> Result<T> {
        self.transaction("BEGIN ISOLATION LEVEL READ COMMITTED", work)
            .await
    }

    /// Runs `work` in a transaction that only reads, all of it as of its beginning.
    pub(crate) async fn snapshot<T>(&self, work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work)
            .await
    }

    /// Runs `work` without a transaction around it.
    pub(crate) async fn read<T>(&self, work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let _place = self.waiting.try_acquire().map_err(|_| overloaded())?;
        let mut pooled = PooledConnection::from(self.pool.acquire().await?);
        let outcome = work(&mut Tx::Postgres {
            connection: pooled.connection(),
            conflict: false,
        })
        .await?;
        pooled.give_back();
        Ok(outcome)
    }

    /// Does an item together with those of other callers. `None`: it takes [`Postgres::write`].
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

/// Longer with each attempt, and by chance, so that those that met do not meet again.
fn pause(attempt: u32) -> Duration {
    Duration::from_micros(rand::random_range(500..=2_000 * u64::from(attempt.min(20))))
}

fn overloaded() -> StoreError {
    StoreError::unavailable("too many callers wait for the database")
}

/// Whether another transaction was in the way, so that a retry of the same work may succeed.
pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    matches!(
        code.as_deref(),
        Some(
            "40001"   // serialization_failure
            | "40P01" // deadlock_detected
            | "23505" // unique_violation: what the work looked for first was inserted since
        )
    )
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::damaged(error),
            sqlx::Error::Database(ref database) => match database.code().as_deref() {
                // Wrong password, no such user, no such database: trying again will not help.
                Some("28P01" | "28000" | "3D000" | "42501") => Self::unusable(error),
                _ => Self::unavailable(error),
            },
            _ => Self::unavailable(error),
        }
    }
}
