//! How many keys an account may have and register. Neither statement reads more rows than the
//! limit that it checks, however many keys of the account are dead.

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::Refusal;
use tm_auth_proto::AccountId;

use super::super::row::only;
use super::super::{Tx, args};
use super::LIVE;
use crate::{KeyLimits, Result};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Refuses one more key that is active, or pending if not `active`.
pub(super) async fn check_live(
    tx: &mut Tx<'_>,
    uid: AccountId,
    active: bool,
    max_live: u32,
    now: Timestamp,
) -> Result<Result<(), Refusal>> {
    let sql = format!(
        "SELECT count(*) FROM api_keys k
         WHERE k.uid = ?1 AND {LIVE} AND CASE WHEN k.activated_at IS NULL THEN 0 ELSE 1 END = ?3"
    );
    let count: u32 = tx.value(&sql, args![uid, now, active]).await?;
    Ok(if count >= max_live {
        Err(Refusal::KeyLimitReached { limit: max_live })
    } else {
        Ok(())
    })
}

/// Refuses one more registration if the account has registered its most within 24 hours. Otherwise
/// dead keys, which stay for ever, would have no limit.
pub(super) async fn check_registrations(
    tx: &mut Tx<'_>,
    uid: AccountId,
    limits: KeyLimits,
    now: Timestamp,
) -> Result<Result<(), Refusal>> {
    let sql = "SELECT created_at FROM api_keys WHERE uid = ?1 AND created_at > ?2
         ORDER BY created_at DESC LIMIT 1 OFFSET ?3";
    let nth = limits.per_day.saturating_sub(1);
    let filling: Option<Timestamp> = tx.find(sql, args![uid, now - DAY, nth], only).await?;
    Ok(match filling {
        Some(filling) => Err(Refusal::TooManyRegistrations {
            limit: limits.per_day,
            retry_at: filling + DAY,
        }),
        None => Ok(()),
    })
}
