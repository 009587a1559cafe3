//! How owners are reached.

use async_trait::async_trait;
use tm_auth_proto::{AccountId, SessionId};

use super::{SqlStore, args};
use crate::{Contacts, Result};

#[async_trait]
impl Contacts for SqlStore {
    async fn contact_email(&self, uid: AccountId) -> Result<Option<String>> {
        self.read(async move |tx| {
            let row = tx
                .row("SELECT contact_email FROM accounts WHERE uid = ?1", args![uid])
                .await?;
            row.map_or(Ok(None), |row| row.get(0))
        })
        .await
    }

    async fn set_contact_email(&self, uid: AccountId, email: Option<String>) -> Result<bool> {
        self.write(async move |tx| {
            let changed = tx
                .execute(
                    "UPDATE accounts SET contact_email = ?2 WHERE uid = ?1",
                    args![uid, email],
                )
                .await?;
            Ok(changed == 1)
        })
        .await
    }

    async fn owner_of_session(&self, sid: SessionId) -> Result<Option<AccountId>> {
        self.read(async move |tx| {
            let row = tx
                .row(
                    "SELECT k.uid FROM sessions s JOIN api_keys k ON k.key_id = s.key_id WHERE s.sid = ?1
                     UNION ALL SELECT uid FROM person_sessions WHERE sid = ?1",
                    args![sid],
                )
                .await?;
            row.map(|row| row.get(0)).transpose()
        })
        .await
    }
}
