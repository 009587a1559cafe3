//! Why keys were refused.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use tm_auth_proto::AccountId;

use super::SqliteStore;
use super::row::{Id, damaged, id, ms, parse, time};
use crate::key_refusal::ADDRESSES;
use crate::{KeyRefusal, KeyRefusals, Result};

#[async_trait]
impl KeyRefusals for SqliteStore {
    async fn record_refusals(&self, refusals: Vec<KeyRefusal>) -> Result<()> {
        self.writer.submit(move |tx| record(tx, &refusals)).await
    }

    async fn refusals_of(&self, uid: AccountId) -> Result<Vec<KeyRefusal>> {
        self.readers.read(move |db| of_account(db, uid)).await
    }
}

fn record(tx: &Connection, refusals: &[KeyRefusal]) -> Result<()> {
    let mut add = tx.prepare_cached(
        "INSERT INTO key_refusals (key_id, code, ip, count, last_at)
         SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM api_keys WHERE key_id = ?1)
         ON CONFLICT (key_id, code, ip) DO UPDATE SET
            count = key_refusals.count + excluded.count,
            last_at = max(key_refusals.last_at, excluded.last_at)",
    )?;
    let mut drop_oldest = tx.prepare_cached(
        "DELETE FROM key_refusals WHERE key_id = ?1 AND code = ?2 AND ip NOT IN (
            SELECT ip FROM key_refusals WHERE key_id = ?1 AND code = ?2 ORDER BY last_at DESC, ip LIMIT ?3)",
    )?;
    for refusal in refusals {
        let (key_id, ip) = (refusal.key_id.blob(), refusal.ip.to_string());
        let count = i64::try_from(refusal.count).map_err(damaged)?;
        let added = add.execute(params![key_id, refusal.code, ip, count, ms(refusal.last_at)])?;
        if added > 0 {
            drop_oldest.execute(params![key_id, refusal.code, ADDRESSES])?;
        }
    }
    Ok(())
}

fn of_account(db: &Connection, uid: AccountId) -> Result<Vec<KeyRefusal>> {
    let mut statement = db.prepare_cached(
        "SELECT r.key_id, r.code, r.ip, r.count, r.last_at FROM key_refusals r JOIN api_keys k ON k.key_id = r.key_id
         WHERE k.uid = ?1 ORDER BY r.last_at DESC, r.code, r.ip",
    )?;
    let rows = statement.query_map([uid.blob()], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<KeyRefusal> {
    Ok(KeyRefusal {
        key_id: id(&row.get::<_, Vec<u8>>(0)?)?,
        code: row.get(1)?,
        ip: parse(&row.get::<_, String>(2)?)?,
        count: u64::try_from(row.get::<_, i64>(3)?).map_err(damaged)?,
        last_at: time(row.get(4)?)?,
    })
}
