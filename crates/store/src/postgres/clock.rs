//! Whether this machine's clock agrees with the database server's.
//!
//! Nodes write times into rows that other nodes compare with their own clock, such as the time of a
//! rotation. So each node's clock must agree with the server's clock within [`MAX_APART`].

use jiff::{SignedDuration, Timestamp};

use super::Postgres;
use crate::sql::{Tx, args};
use crate::{Result, StoreError};

/// A node whose clock differs by more is not ready. Time synchronisation keeps machines within
/// milliseconds.
pub const MAX_APART: SignedDuration = SignedDuration::from_secs(5);

/// The clock that is compared with the server's.
pub(super) type Clock = fn() -> Timestamp;

#[allow(
    clippy::disallowed_methods,
    reason = "compares this machine's clock with the server's"
)]
pub(super) fn system() -> Timestamp {
    Timestamp::now()
}

impl Postgres {
    /// Fails if the clocks differ by more than [`MAX_APART`]. Ignores the round trip.
    pub(crate) async fn compare_clocks(&self) -> Result<()> {
        let asked = (self.clock)();
        let server = self.read(&async |tx: &mut Tx<'_>| server_time(tx).await).await?;
        let answered = (self.clock)();
        let ahead = asked.duration_since(server);
        let behind = server.duration_since(answered);
        if ahead > MAX_APART || behind > MAX_APART {
            return Err(StoreError::unavailable(format!(
                "this machine's clock is {} s {} the database server's",
                ahead.as_secs().abs().max(behind.as_secs().abs()),
                if ahead > MAX_APART { "ahead of" } else { "behind" },
            )));
        }
        Ok(())
    }
}

async fn server_time(tx: &mut Tx<'_>) -> Result<Timestamp> {
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
    tx.value(sql, args![]).await
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use tm_auth_testing::postgres::Postgres as Server;

    use super::*;
    use crate::Store;
    use crate::postgres::{PostgresOptions, open};
    use crate::sql::Engine;

    async fn store(clock: Clock) -> Store {
        let options = PostgresOptions {
            url: Server::shared().database(),
            max_connections: 4,
        };
        let mut store = open(&options).await.unwrap();
        let Engine::Postgres(postgres) = &mut store.engine else {
            unreachable!("this test opened PostgreSQL")
        };
        postgres.clock = clock;
        store
    }

    #[tokio::test]
    async fn j10_a_node_whose_clock_differs_too_much_is_not_ready() {
        let near: [Clock; 3] = [
            system,
            || system() - SignedDuration::from_secs(4),
            || system() + SignedDuration::from_secs(4),
        ];
        for clock in near {
            store(clock).await.ping().await.unwrap();
        }
        let far: [(Clock, &str); 2] = [
            (|| system() + SignedDuration::from_secs(20), "ahead of"),
            (|| system() - SignedDuration::from_secs(20), "behind"),
        ];
        for (clock, side) in far {
            let error = store(clock).await.ping().await.unwrap_err();
            assert!(
                matches!(&error, StoreError::Unavailable(cause) if cause.to_string().contains(side)),
                "{error}"
            );
        }
    }
}
