//! Pending ceremonies.

use jiff::Timestamp;

use super::{Store, Tx, args};
use crate::{Call, Ceremony, Result};

impl Store {
    /// Stores a ceremony. Its id is random and unique.
    pub fn begin_ceremony(&self, new: Ceremony) -> Call<'_, ()> {
        Box::pin(self.write(async move |tx| begin(tx, &new).await))
    }

    /// Deletes a ceremony and returns it to the first caller. Of concurrent callers exactly one
    /// gets it. Deletes a ceremony of another kind or an expired one too, but does not return it.
    pub fn take_ceremony(
        &self,
        id_hash: [u8; 32],
        kind: &'static str,
        now: Timestamp,
    ) -> Call<'_, Option<Ceremony>> {
        Box::pin(async move {
            let taken = self.write(async move |tx| take(tx, id_hash).await).await?;
            Ok(taken.filter(|ceremony| ceremony.kind == kind && now < ceremony.expires_at))
        })
    }
}

async fn begin(tx: &mut Tx<'_>, new: &Ceremony) -> Result<()> {
    tx.execute(
        "INSERT INTO ceremonies (id_hash, kind, uid, state, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        args![new.id_hash, &*new.kind, new.uid, new.state, new.expires_at],
    )
    .await?;
    Ok(())
}

async fn take(tx: &mut Tx<'_>, id_hash: [u8; 32]) -> Result<Option<Ceremony>> {
    let sql = "DELETE FROM ceremonies WHERE id_hash = ?1 RETURNING kind, uid, state, expires_at";
    tx.find(sql, args![id_hash], |columns| {
        Ok(Ceremony {
            id_hash,
            kind: columns.next::<String>()?.into(),
            uid: columns.next()?,
            state: columns.next()?,
            expires_at: columns.next()?,
        })
    })
    .await
}
