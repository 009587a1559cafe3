//! How the service reaches the owner of an account.

use tm_auth_proto::{AccountId, SessionId};

use super::row::only;
use super::{Store, args};
use crate::Call;

impl Store {
    /// Returns the account's contact address, which was not verified here. It selects no account.
    pub fn contact_email(&self, uid: AccountId) -> Call<'_, Option<String>> {
        Box::pin(self.read(async move |tx| {
            let sql = "SELECT contact_email FROM accounts WHERE uid = ?1";
            let found = tx.find(sql, args![uid], only).await?;
            Ok(found.flatten())
        }))
    }

    /// Sets the contact address. `false`: there is no such account.
    pub fn set_contact_email(&self, uid: AccountId, email: Option<String>) -> Call<'_, bool> {
        Box::pin(self.write(async move |tx| {
            let changed = tx
                .execute(
                    "UPDATE accounts SET contact_email = ?2 WHERE uid = ?1",
                    args![uid, email],
                )
                .await?;
            Ok(changed == 1)
        }))
    }

    /// Returns the account of a session, of an API key's or a user's session in any state.
    pub fn owner_of_session(&self, sid: SessionId) -> Call<'_, Option<AccountId>> {
        Box::pin(self.read(async move |tx| {
            let sql = "SELECT k.uid FROM sessions s JOIN api_keys k ON k.key_id = s.key_id WHERE s.sid = ?1
                 UNION ALL SELECT uid FROM user_sessions WHERE sid = ?1";
            tx.find(sql, args![sid], only).await
        }))
    }
}
