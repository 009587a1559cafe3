//! Single values, such as the environment of the database.

use tm_auth_proto::Environment;

use super::row::only;
use super::{Store, Tx, args};
use crate::{Call, Result, StoreError};

impl Store {
    /// Binds a new database to an environment. Refuses a database of the other environment.
    pub fn bind_environment(&self, environment: Environment) -> Call<'_, ()> {
        Box::pin(self.write(async move |tx| bind_environment(tx, environment).await))
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

pub(super) async fn bind_environment(tx: &mut Tx<'_>, environment: Environment) -> Result<()> {
    match get(tx, "environment").await? {
        None => set(tx, "environment", environment.as_str()).await,
        Some(bound) if bound == environment.as_str() => Ok(()),
        Some(bound) => Err(StoreError::unusable(format!(
            "the database belongs to the {bound} environment, the configuration says {environment}"
        ))),
    }
}
