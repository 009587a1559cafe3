//! A pooled connection, and a transaction on it.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};

use super::is_conflict;
use crate::sql::audit::AuditLines;
use crate::sql::{On, Tx};
use crate::{Result, StoreError};

/// A connection of the pool. Dropping it without [`PooledConnection::give_back`] closes it,
/// since its work was cut short and the server may still send answers.
pub(super) struct PooledConnection(Option<PoolConnection<Postgres>>);

impl From<PoolConnection<Postgres>> for PooledConnection {
    fn from(connection: PoolConnection<Postgres>) -> Self {
        Self(Some(connection))
    }
}

impl PooledConnection {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("present until it is given back")
    }

    pub(super) fn give_back(mut self) {
        self.0.take();
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Why a transaction did not commit.
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// Whether the transaction was rolled back because of a conflict. The connection is usable, and
    /// a retry may succeed.
    pub(super) conflict: bool,
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self {
            conflict: is_conflict(&error),
            error: error.into(),
        }
    }
}

pub(super) async fn transaction<T>(
    connection: &mut PgConnection,
    begin: &'static str,
    work: &impl AsyncFn(&mut Tx<'_>) -> Result<T>,
) -> Result<T, Failed> {
    run(connection, begin).await?;
    let mut tx = Tx::postgres(connection);
    let outcome = work(&mut tx).await;
    let (On::Postgres { connection, conflict }, noted) = (tx.on, tx.noted) else {
        unreachable!("the transaction was created for PostgreSQL")
    };
    match outcome {
        Ok(outcome) => {
            let lines = AuditLines::new(noted);
            let committed = run(connection, "COMMIT").await;
            if let Err(sqlx::Error::Database(_)) = committed {
                lines.discard();
            }
            committed?;
            Ok(outcome)
        }
        Err(error) => {
            run(connection, "ROLLBACK").await?;
            Err(Failed { error, conflict })
        }
    }
}

async fn run(connection: &mut PgConnection, sql: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}
