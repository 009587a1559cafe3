//! Whether this machine's clock agrees with the database server's.
//!
//! Nodes write times into rows that other nodes compare with their own clock, such as the time of a
//! rotation. So each node's clock must agree with the server's within [`MAX_APART`].
//!
//! 1. A comparison reads the server's time, at the start and then about once a second
//!    ([`crate::Store::compare_clocks`]).
//! 2. Between two comparisons a jump is noticed without asking the server: the clock and a stopwatch
//!    must have advanced by the same time ([`crate::Store::check_clock`]).

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::Postgres;
use crate::sql::{Tx, args};
use crate::{Result, StoreError};

/// A node whose clock differs by more issues no tokens and is not ready. Time synchronisation keeps
/// machines within milliseconds.
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

/// What the last comparison found.
#[derive(Default)]
pub(super) struct Comparison(Mutex<Option<Found>>);

#[derive(Clone, Copy)]
struct Found {
    /// The server's time minus this machine's.
    difference: SignedDuration,
    /// This machine's time, and a stopwatch that was started at that time.
    at: Timestamp,
    stopwatch: Instant,
}

impl Comparison {
    fn set(&self, found: Found) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    fn get(&self) -> Option<Found> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// Fails if the clock differed, or has jumped since.
    fn check(self, now: Timestamp) -> Result<()> {
        let passed = SignedDuration::try_from(self.stopwatch.elapsed()).unwrap_or(SignedDuration::MAX);
        let jumped = now.duration_since(self.at).saturating_sub(passed);
        let ahead = jumped.saturating_sub(self.difference);
        if ahead.abs() <= MAX_APART {
            return Ok(());
        }
        Err(StoreError::unavailable(format!(
            "this machine's clock is {} s {} the database server's",
            ahead.abs().as_secs(),
            if ahead.is_positive() { "ahead of" } else { "behind" },
        )))
    }
}

impl Postgres {
    /// Step 1. Fails if the clocks differ by more than [`MAX_APART`]. The difference is measured at
    /// the middle of the round trip. Tests move this machine's clock by `step`.
    pub(crate) async fn compare_clocks(&self, step: SignedDuration) -> Result<()> {
        let (asked, stopwatch) = ((self.clock)() + step, Instant::now());
        let server = self.read(&async |tx: &mut Tx<'_>| server_time(tx).await).await?;
        let half = SignedDuration::try_from(stopwatch.elapsed() / 2).unwrap_or(SignedDuration::MAX);
        self.comparison.set(Found {
            difference: server.duration_since(asked).saturating_sub(half),
            at: asked,
            stopwatch,
        });
        self.check_clock(step)
    }

    /// Step 2. Fails if the last comparison found a difference, or the clock has jumped since. Asks
    /// nothing of the server.
    pub(crate) fn check_clock(&self, step: SignedDuration) -> Result<()> {
        match self.comparison.get() {
            Some(found) => found.check((self.clock)() + step),
            None => Ok(()),
        }
    }
}

async fn server_time(tx: &mut Tx<'_>) -> Result<Timestamp> {
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
    tx.value(sql, args![]).await
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

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

    /// What [`stepping`] adds to the time.
    static STEP: AtomicI64 = AtomicI64::new(0);

    fn stepping() -> Timestamp {
        system() + SignedDuration::from_secs(STEP.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn r34_a_jump_of_the_clock_is_noticed_at_once_and_forgiven_when_it_is_undone() {
        let store = store(stepping).await;
        store.compare_clocks().await.unwrap();
        for (step, is_right) in [(0, true), (4, true), (3600, false), (-3600, false), (0, true)] {
            STEP.store(step, Ordering::SeqCst);
            assert_eq!(store.check_clock().is_ok(), is_right, "{step}");
        }
        STEP.store(20, Ordering::SeqCst);
        store.compare_clocks().await.unwrap_err();
        store.check_clock().unwrap_err();
        STEP.store(0, Ordering::SeqCst);
        store.check_clock().unwrap();
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
