//! Events that the limits count: codes that were sent, and attempts that failed.

use jiff::Timestamp;
use tm_auth_core::email_code::rules::{DAY, HOUR, Tried};

use super::super::row::{damaged, only};
use super::super::{Tx, args};
use crate::Result;

/// Counts the attempts for an address, as the rules need them.
pub(super) async fn tried(tx: &mut Tx<'_>, email: &str, network: &str, now: Timestamp) -> Result<Tried> {
    Ok(Tried {
        by_network: times(
            tx,
            "SELECT at FROM email_code_events WHERE email = ?1 AND kind = 'failed' AND network = ?2 AND at > ?3",
            email,
            network,
            now - HOUR,
        )
        .await?,
        short_comparisons: tx
            .value(
                "SELECT CAST(coalesce(sum(short_codes), 0) AS BIGINT) FROM email_code_events
                 WHERE email = ?1 AND kind = 'failed' AND at > ?2",
                args![email, now - DAY],
            )
            .await?,
        short_outstanding: tx
            .value(
                "SELECT count(*) FROM email_codes
                 WHERE email = ?1 AND is_long = 0 AND used_at IS NULL AND expires_at > ?2",
                args![email, now],
            )
            .await?,
    })
}

pub(super) async fn times(
    tx: &mut Tx<'_>,
    sql: &str,
    email: &str,
    network: &str,
    after: Timestamp,
) -> Result<Vec<Timestamp>> {
    tx.list(sql, args![email, network, after], only).await
}

pub(super) async fn note(
    tx: &mut Tx<'_>,
    kind: &str,
    email: &str,
    network: &str,
    site: Option<&str>,
    at: Timestamp,
    short: usize,
) -> Result<i64> {
    let short = i64::try_from(short).map_err(damaged)?;
    tx.value(
        "INSERT INTO email_code_events (kind, email, network, site, at, short_codes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
        args![kind, email, network, site, at, short],
    )
    .await
}
