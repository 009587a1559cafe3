//! How a migration waits for locks.
//!
//! An `ALTER TABLE` that waits, for example behind `pg_dump`, blocks every later query on its table.
//! So a migration waits for a moment, gives way to those queries for longer, and tries again.

use std::time::Duration;

use sqlx::PgPool;

use crate::{Result, StoreError};

/// How long a migration waits for a lock, and how often.
#[derive(Clone, Copy)]
pub(super) struct LockWait {
    /// How long one attempt waits. No query waits longer behind the migration.
    pub(super) timeout: Duration,
    /// Time between two attempts, in which other queries go on.
    pub(super) pause: Duration,
    pub(super) attempts: u32,
}

/// About a minute in all.
pub(super) const LOCK_WAIT: LockWait = LockWait {
    timeout: Duration::from_secs(1),
    pause: Duration::from_secs(3),
    attempts: 15,
};

impl LockWait {
    /// Pauses after an attempt that did not get its lock. Fails after the last attempt.
    pub(super) async fn give_way(self, attempt: u32, holders: &str) -> Result<()> {
        if attempt >= self.attempts {
            return Err(StoreError::unavailable(format!(
                "the migration did not get a lock in {attempt} attempts, and nothing is changed; the lock is held by {holders}; wait for its end or end it, then start again"
            )));
        }
        tracing::warn!(
            attempt,
            holders,
            "a migration waits for a lock; it gives way and tries again"
        );
        tokio::time::sleep(self.pause).await;
        Ok(())
    }
}

/// Runs the work of the server process `process`, and watches whom it waits for. Returns this too.
pub(super) async fn watched<T>(
    pool: &PgPool,
    process: i32,
    wait: LockWait,
    work: impl Future<Output = T>,
) -> (T, String) {
    let mut work = std::pin::pin!(work);
    let mut holders = None;
    loop {
        tokio::select! {
            outcome = &mut work => {
                return (outcome, holders.unwrap_or_else(|| "a session that could not be found".to_owned()));
            }
            () = tokio::time::sleep(wait.timeout / 2) => {}
        }
        // Only for the message, so a failure is left out.
        if let Ok(Some(found)) = find_holders(pool, process).await {
            holders = Some(found);
        }
    }
}

/// Describes the sessions that block this one, without the text of their queries, which may contain
/// values. The server hides the details of other roles' sessions.
async fn find_holders(pool: &PgPool, process: i32) -> sqlx::Result<Option<String>> {
    let sql = "SELECT string_agg(format('process %s (application %L, user %L, query started %s)', pid,
            coalesce(application_name, ''), coalesce(usename::text, ''),
            coalesce(to_char(query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'unknown')), ', ')
        FROM pg_catalog.pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1))";
    sqlx::query_scalar(sql).bind(process).fetch_one(pool).await
}
