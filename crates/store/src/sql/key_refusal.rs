//! Reasons why requests with a key were refused.

use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId};

use super::row::{damaged, parse};
use super::{Columns, Store, Tx, api_key, args};
use crate::key_refusal::ADDRESSES;
use crate::{Call, KeyRefusal, Result};

impl Store {
    /// Adds refusals. Ignores unknown keys, since any client can name one.
    pub fn record_refusals(&self, mut refusals: Vec<KeyRefusal>) -> Call<'_, ()> {
        // In one order, so that concurrent writers of the same rows do not deadlock.
        refusals.sort_by(|a, b| (a.key_id.0, &a.code, a.ip).cmp(&(b.key_id.0, &b.code, b.ip)));
        Box::pin(self.write_read_committed(async move |tx| record(tx, &refusals).await))
    }

    /// Returns the refusals of an account's keys that are neither revoked nor expired at `now`,
    /// latest first.
    pub fn refusals_of(&self, uid: AccountId, now: Timestamp) -> Call<'_, Vec<KeyRefusal>> {
        Box::pin(self.read(async move |tx| of_account(tx, uid, now).await))
    }

    /// Returns the refusals of a key, in any state, latest first.
    pub fn refusals_of_key(&self, key_id: KeyId) -> Call<'_, Vec<KeyRefusal>> {
        Box::pin(self.read(async move |tx| of_key(tx, key_id).await))
    }
}

async fn record(tx: &mut Tx<'_>, refusals: &[KeyRefusal]) -> Result<()> {
    let add = "INSERT INTO key_refusals (key_id, code, ip, count, last_at)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM api_keys WHERE key_id = ?1)
         ON CONFLICT (key_id, code, ip) DO UPDATE SET
            count = key_refusals.count + excluded.count,
            last_at = CASE WHEN key_refusals.last_at > excluded.last_at THEN key_refusals.last_at ELSE excluded.last_at END";
    let drop_oldest = "DELETE FROM key_refusals WHERE key_id = ?1 AND code = ?2 AND ip NOT IN (
            SELECT ip FROM key_refusals WHERE key_id = ?1 AND code = ?2 ORDER BY last_at DESC, ip LIMIT ?3)";
    for refusal in refusals {
        let (key_id, ip) = (refusal.key_id, refusal.ip.to_string());
        let count = i64::try_from(refusal.count).map_err(damaged)?;
        let added = tx
            .execute(add, args![key_id, refusal.code, ip, count, refusal.last_at])
            .await?;
        if added > 0 {
            tx.execute(drop_oldest, args![key_id, refusal.code, ADDRESSES])
                .await?;
        }
    }
    Ok(())
}

pub(super) const COLUMNS: &str = "r.key_id, r.code, r.ip, r.count, r.last_at";

async fn of_account(tx: &mut Tx<'_>, uid: AccountId, now: Timestamp) -> Result<Vec<KeyRefusal>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM key_refusals r JOIN api_keys k ON k.key_id = r.key_id
         WHERE k.uid = ?1 AND {} ORDER BY r.last_at DESC, r.code, r.ip",
        api_key::LIVE
    );
    tx.list(&sql, args![uid, now], read).await
}

async fn of_key(tx: &mut Tx<'_>, key_id: KeyId) -> Result<Vec<KeyRefusal>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM key_refusals r WHERE r.key_id = ?1 ORDER BY r.last_at DESC, r.code, r.ip"
    );
    tx.list(&sql, args![key_id], read).await
}

pub(super) fn read(columns: &mut Columns<'_>) -> Result<KeyRefusal> {
    Ok(KeyRefusal {
        key_id: columns.next()?,
        code: columns.next()?,
        ip: parse(columns.next()?)?,
        count: columns.next()?,
        last_at: columns.next()?,
    })
}
