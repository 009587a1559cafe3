//! How owners are reached.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};
use tm_auth_proto::{AccountId, SessionId};

use super::SqliteStore;
use super::row::{Id, id};
use crate::{Contacts, Result};

#[async_trait]
impl Contacts for SqliteStore {
    async fn contact_email(&self, uid: AccountId) -> Result<Option<String>> {
        self.readers
            .read(move |db| {
                let address = db
                    .prepare_cached("SELECT contact_email FROM accounts WHERE uid = ?1")?
                    .query_row([uid.blob()], |row| row.get(0))
                    .optional()?;
                Ok(address.flatten())
            })
            .await
    }

    async fn set_contact_email(&self, uid: AccountId, email: Option<String>) -> Result<bool> {
        self.writer
            .submit(move |tx| {
                let changed = tx
                    .prepare_cached("UPDATE accounts SET contact_email = ?2 WHERE uid = ?1")?
                    .execute(params![uid.blob(), email])?;
                Ok(changed == 1)
            })
            .await
    }

    async fn owner_of_session(&self, sid: SessionId) -> Result<Option<AccountId>> {
        self.readers
            .read(move |db| {
                let uid: Option<Vec<u8>> = db
                    .prepare_cached(
                        "SELECT k.uid FROM sessions s JOIN api_keys k ON k.key_id = s.key_id WHERE s.sid = ?1
                         UNION ALL SELECT uid FROM person_sessions WHERE sid = ?1",
                    )?
                    .query_row([sid.blob()], |row| row.get(0))
                    .optional()?;
                uid.map(|uid| id(&uid)).transpose()
            })
            .await
    }
}
