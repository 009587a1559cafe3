//! Recoveries.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tm_auth_core::Refusal;
use tm_auth_core::recovery::{Recovery, Stage};
use tm_auth_proto::AccountId;

use super::row::{Id, ms, time};
use super::{SqliteStore, audit};
use crate::{Origin, Recoveries, Result};

#[async_trait]
impl Recoveries for SqliteStore {
    async fn start_recovery(
        &self,
        new: Recovery,
        origin: &Origin,
    ) -> Result<Result<(Recovery, bool), Refusal>> {
        let origin = origin.clone();
        self.writer.submit(move |tx| start(tx, &new, &origin)).await
    }

    async fn recovery(&self, uid: AccountId) -> Result<Option<Recovery>> {
        self.readers.read(move |db| get(db, uid)).await
    }

    async fn cancel_recovery(&self, uid: AccountId, origin: &Origin) -> Result<bool> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| end(tx, uid, "recovery_cancelled", &origin))
            .await
    }
}

fn start(tx: &Connection, new: &Recovery, origin: &Origin) -> Result<Result<(Recovery, bool), Refusal>> {
    let has_passkey = tx
        .prepare_cached("SELECT 1 FROM passkeys WHERE uid = ?1")?
        .exists([new.uid.blob()])?;
    if !has_passkey {
        return Ok(Err(Refusal::NothingToRecover));
    }
    if let Some(there) = get(tx, new.uid)?
        && there.stage(new.started_at) != Stage::Lapsed
    {
        return Ok(Ok((there, false)));
    }
    tx.prepare_cached(
        "INSERT INTO recoveries (uid, started_at, ready_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (uid) DO UPDATE SET started_at = excluded.started_at, ready_at = excluded.ready_at",
    )?
    .execute(params![new.uid.blob(), ms(new.started_at), ms(new.ready_at)])?;
    let detail = format!("ready_at={}", new.ready_at);
    audit::note(
        tx,
        origin,
        "recovery_started",
        Some(new.uid),
        None,
        None,
        Some(&detail),
    )?;
    Ok(Ok((*new, true)))
}

fn get(db: &Connection, uid: AccountId) -> Result<Option<Recovery>> {
    let row: Option<(i64, i64)> = db
        .prepare_cached("SELECT started_at, ready_at FROM recoveries WHERE uid = ?1")?
        .query_row([uid.blob()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(started_at, ready_at)| {
        Ok(Recovery {
            uid,
            started_at: time(started_at)?,
            ready_at: time(ready_at)?,
        })
    })
    .transpose()
}

/// Whether it may be used.
pub(super) fn is_ready(db: &Connection, uid: AccountId, now: Timestamp) -> Result<bool> {
    Ok(get(db, uid)?.is_some_and(|recovery| recovery.stage(now) == Stage::Ready))
}

/// Ends it, for the reason that `action` names. `false`: there was none.
pub(super) fn end(tx: &Connection, uid: AccountId, action: &'static str, origin: &Origin) -> Result<bool> {
    let there = get(tx, uid)?;
    tx.prepare_cached("DELETE FROM recoveries WHERE uid = ?1")?
        .execute([uid.blob()])?;
    // Nobody needs to hear of the end of what has lapsed.
    let ended = there.is_some_and(|recovery| recovery.stage(origin.at) != Stage::Lapsed);
    if ended {
        audit::note(tx, origin, action, Some(uid), None, None, None)?;
    }
    Ok(ended)
}
