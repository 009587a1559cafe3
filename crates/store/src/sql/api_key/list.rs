//! Lists of an account's keys. What a list reads is bounded, however many keys are dead: a live key
//! is found by its expiry, and dead keys are read by pages.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_core::ApiKey;
use tm_auth_proto::{AccountId, KeyId};

use super::super::row::parse;
use super::super::value::AsValue;
use super::super::{Columns, Store, Tx, args};
use super::{COLUMNS, FROM, LIVE, read};
use crate::{Call, DeadKeys, KeyUse, Result};

/// Labels per statement.
const LABELS: usize = 10;

impl Store {
    /// Returns a key of this account with its last use, in any state.
    pub fn api_key_of(&self, uid: AccountId, key_id: KeyId) -> Call<'_, Option<(ApiKey, Option<KeyUse>)>> {
        Box::pin(self.read(async move |tx| {
            let sql = format!("SELECT {COLUMNS}, {USE} {FROM} WHERE k.key_id = ?1 AND k.uid = ?2");
            tx.find(&sql, args![key_id, uid], read_with_use).await
        }))
    }

    /// Returns the keys of an account that are neither revoked nor expired at `now`, with their
    /// last use, newest key first.
    pub fn live_api_keys(&self, uid: AccountId, now: Timestamp) -> Call<'_, Vec<(ApiKey, Option<KeyUse>)>> {
        Box::pin(self.read(async move |tx| {
            let sql = format!(
                "SELECT {COLUMNS}, {USE} {FROM} WHERE k.uid = ?1 AND {LIVE} ORDER BY k.created_at DESC, k.key_id"
            );
            tx.list(&sql, args![uid, now], read_with_use).await
        }))
    }

    /// Returns the newest keys of an account that are revoked, or expired at `now`, or the newest
    /// ones that were registered before a time.
    ///
    /// A page holds `limit` keys, and further ones of the same time as its last. So the pages that
    /// [`DeadKeys::older`] leads to neither repeat nor skip a key.
    pub fn dead_api_keys(
        &self,
        uid: AccountId,
        now: Timestamp,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Call<'_, DeadKeys> {
        Box::pin(self.read(async move |tx| dead(tx, uid, now, before, limit).await))
    }

    /// Returns the labels of those of these keys that belong to the account.
    pub fn api_key_labels(&self, uid: AccountId, key_ids: Vec<KeyId>) -> Call<'_, Vec<(KeyId, String)>> {
        Box::pin(self.read(async move |tx| labels(tx, uid, &key_ids).await))
    }
}

/// The columns that [`read_with_use`] reads after those of the key.
const USE: &str = "k.last_used_at, k.last_used_ip";

const DEAD: &str = "k.uid = ?1 AND k.created_at < ?2 AND (k.revoked_at IS NOT NULL OR k.expires_at <= ?3)";

async fn dead(
    tx: &mut Tx<'_>,
    uid: AccountId,
    now: Timestamp,
    before: Option<Timestamp>,
    limit: u32,
) -> Result<DeadKeys> {
    let before = before.map_or(i64::MAX, Timestamp::as_millisecond);
    let last = limit.saturating_sub(1);
    let page = format!(
        "SELECT {COLUMNS}, {USE} {FROM} WHERE {DEAD} AND k.created_at >= coalesce(
             (SELECT k.created_at FROM api_keys k WHERE {DEAD} ORDER BY k.created_at DESC LIMIT 1 OFFSET ?4), 0)
         ORDER BY k.created_at DESC, k.key_id"
    );
    let keys = tx
        .list(&page, args![uid, before, now, last], read_with_use)
        .await?;
    let mut older = None;
    if let Some((oldest, _)) = keys.last() {
        let oldest = oldest.created_at;
        let sql = format!("SELECT 1 FROM api_keys k WHERE {DEAD} LIMIT 1");
        older = tx.exists(&sql, args![uid, oldest, now]).await?.then_some(oldest);
    }
    Ok(DeadKeys { keys, older })
}

async fn labels(tx: &mut Tx<'_>, uid: AccountId, key_ids: &[KeyId]) -> Result<Vec<(KeyId, String)>> {
    let sql = "SELECT key_id, label FROM api_keys
         WHERE key_id IN (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) AND uid = ?1";
    let mut found = Vec::with_capacity(key_ids.len());
    for chunk in key_ids.chunks(LABELS) {
        // A short chunk repeats its last id, so that there is one statement to prepare.
        let ids = chunk.iter().chain(chunk.last().into_iter().cycle());
        let mut args = vec![uid.as_value()];
        args.extend(ids.take(LABELS).map(AsValue::as_value));
        let labels = tx
            .list(sql, &args, |columns| Ok((columns.next()?, columns.next()?)))
            .await?;
        found.extend(labels);
    }
    Ok(found)
}

pub(in crate::sql) fn read_with_use(columns: &mut Columns<'_>) -> Result<(ApiKey, Option<KeyUse>)> {
    let key = read(columns)?;
    let (at, ip): (Option<Timestamp>, Option<&str>) = (columns.next()?, columns.next()?);
    let usage = match (at, ip) {
        (Some(at), Some(ip)) => Some(KeyUse {
            key_id: key.key_id,
            at,
            ip: parse::<IpAddr>(ip)?,
        }),
        _ => None,
    };
    Ok((key, usage))
}
