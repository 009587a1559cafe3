//! Ceremonies under way.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
use super::row::{Id, id, ms, time};
use crate::{Ceremonies, Ceremony, Result};

#[async_trait]
impl Ceremonies for SqliteStore {
    async fn begin_ceremony(&self, new: Ceremony) -> Result<()> {
        self.writer.submit(move |tx| begin(tx, &new)).await
    }

    async fn take_ceremony(
        &self,
        id_hash: [u8; 32],
        kind: &'static str,
        now: Timestamp,
    ) -> Result<Option<Ceremony>> {
        let taken = self.writer.submit(move |tx| take(tx, id_hash)).await?;
        Ok(taken.filter(|ceremony| ceremony.kind == kind && now < ceremony.expires_at))
    }
}

fn begin(tx: &Connection, new: &Ceremony) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO ceremonies (id_hash, kind, uid, state, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        new.id_hash,
        new.kind,
        new.uid.as_ref().map(Id::blob),
        new.state,
        ms(new.expires_at),
    ])?;
    Ok(())
}

fn take(tx: &Connection, id_hash: [u8; 32]) -> Result<Option<Ceremony>> {
    let row = tx
        .prepare_cached("DELETE FROM ceremonies WHERE id_hash = ?1 RETURNING kind, uid, state, expires_at")?
        .query_row([id_hash], |row| {
            let (kind, uid): (String, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
            let (state, expires_at): (String, i64) = (row.get(2)?, row.get(3)?);
            Ok((kind, uid, state, expires_at))
        })
        .optional()?;
    let Some((kind, uid, state, expires_at)) = row else {
        return Ok(None);
    };
    Ok(Some(Ceremony {
        id_hash,
        kind: kind.into(),
        uid: uid.map(|blob| id(&blob)).transpose()?,
        state,
        expires_at: time(expires_at)?,
    }))
}
