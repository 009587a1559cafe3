//! What a server and its database say about themselves, read without changing them.

use jiff::{SignedDuration, Timestamp};
use sqlx::PgPool;

use super::{PostgresOptions, clock, connect, durability, schema};
use crate::sql::Engine;
use crate::{Inspection, Result, Store, StoreError};

/// What matters of a server.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// The settings with which it may forget acknowledged changes in a crash.
    pub forgetful: Vec<String>,
    /// Whether it refuses writes: a standby, or `default_transaction_read_only`.
    pub is_read_only: bool,
    /// This machine's time minus the server's.
    pub clock_ahead: SignedDuration,
}

/// Reads what server and database say about themselves. Runs no migration.
pub async fn inspect(options: &PostgresOptions) -> Result<(Inspection, ServerState)> {
    let postgres = connect(options)?;
    schema::refuse_newer(&postgres.pool).await?;
    let version = schema::version(&postgres.pool).await?;
    if schema::pending(version).is_empty() {
        schema::check(&postgres.pool).await?;
    }
    let server = ServerState {
        forgetful: durability::forgetful(&postgres.pool).await?,
        is_read_only: durability::is_read_only(&postgres.pool).await?,
        clock_ahead: clock_ahead(&postgres.pool).await?,
    };
    let store = Store::new(Engine::Postgres(postgres));
    let database = Inspection {
        pending: schema::pending(version),
        contents: match version {
            0 => None,
            _ => Some(store.contents().await?),
        },
    };
    Ok((database, server))
}

/// Reads every row of every table. Returns their number.
pub async fn check_rows(options: &PostgresOptions) -> Result<u64> {
    Store::new(Engine::Postgres(connect(options)?)).check_rows().await
}

/// Compares the clocks at the middle of the round trip.
async fn clock_ahead(pool: &PgPool) -> Result<SignedDuration> {
    let asked = clock::system();
    let server = durability::time(pool).await?;
    let half = clock::system().duration_since(asked) / 2;
    let server = Timestamp::from_millisecond(server).map_err(StoreError::damaged)?;
    Ok((asked + half).duration_since(server))
}
