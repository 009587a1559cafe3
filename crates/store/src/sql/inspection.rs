//! What a database says about itself, read without changing it.

use jiff::Timestamp;
use tm_auth_core::signing::StoredSigningKey;

use super::row::only;
use super::{Store, Tx, args, setting, signing_key};
use crate::{Call, Result};

/// A database as it was found.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The names of the migrations that the next start runs.
    pub pending: Vec<&'static str>,
    /// `None`: there is no schema yet.
    pub contents: Option<Contents>,
}

/// What a database with a schema says about itself.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The environment to which it is bound. `None`: no server has opened it yet.
    pub environment: Option<String>,
    /// The keys of the service, sealed.
    pub signing_keys: Vec<StoredSigningKey>,
    /// The newest time that a change or a mint has written.
    pub newest: Option<Timestamp>,
}

impl Store {
    /// Reads what the database says about itself.
    pub fn contents(&self) -> Call<'_, Contents> {
        Box::pin(self.read(async |tx| contents(tx).await))
    }
}

pub(crate) async fn contents(tx: &mut Tx<'_>) -> Result<Contents> {
    Ok(Contents {
        environment: setting::get(tx, "environment").await?,
        signing_keys: signing_key::all(tx).await?.1,
        newest: newest(tx).await?,
    })
}

/// Each part reads the end of an index. The ids of sessions begin with their time.
async fn newest(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    let audited: Option<Timestamp> = tx.value("SELECT max(at) FROM audit", args![]).await?;
    let changed = tx.value("SELECT max(at) FROM changes", args![]).await?;
    let sql = "SELECT opened_at FROM sessions ORDER BY sid DESC LIMIT 1";
    let minted = tx.find(sql, args![], only).await?;
    Ok(audited.max(changed).max(minted))
}
