//! Single values, such as the environment of the database.

use jiff::Timestamp;
use tm_auth_proto::Environment;

use super::row::only;
use super::{Store, Tx, args};
use crate::{Call, Result, StoreError};

impl Store {
    /// Binds a new database to an environment. Refuses a database of the other environment.
    pub fn bind_environment(&self, environment: Environment) -> Call<'_, ()> {
        Box::pin(self.write(async move |tx| bind_environment(tx, environment).await))
    }

    /// The time of the last sweep by any node. `None`: there was none yet.
    pub fn last_seen_at(&self) -> Call<'_, Option<Timestamp>> {
        Box::pin(self.read(async |tx| time(tx, LAST_SEEN).await))
    }

    /// Notes the time of a sweep.
    pub fn set_last_seen_at(&self, at: Timestamp) -> Call<'_, ()> {
        Box::pin(self.write_read_committed(async move |tx| set_time(tx, LAST_SEEN, at).await))
    }
}

pub(crate) async fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM settings WHERE name = ?1";
    tx.find(sql, args![name], only).await
}

pub(crate) async fn set(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, args![name, value]).await?;
    Ok(())
}

/// The name of the setting that a sweep writes.
const LAST_SEEN: &str = "last_seen_at";

/// A setting that is a time.
pub(super) async fn time(tx: &mut Tx<'_>, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = get(tx, name).await? else {
        return Ok(None);
    };
    let at = text
        .parse()
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    at.map(Some)
        .ok_or_else(|| StoreError::damaged(format!("the setting {name} is {text:?}")))
}

pub(super) async fn set_time(tx: &mut Tx<'_>, name: &str, at: Timestamp) -> Result<()> {
    set(tx, name, &at.as_millisecond().to_string()).await
}

pub(super) async fn bind_environment(tx: &mut Tx<'_>, environment: Environment) -> Result<()> {
    match get(tx, "environment").await? {
        None => set(tx, "environment", environment.as_str()).await,
        Some(bound) if bound == environment.as_str() => Ok(()),
        Some(bound) => Err(StoreError::unusable(format!(
            "the database belongs to the {bound} environment, the configuration says {environment}"
        ))),
    }
}
