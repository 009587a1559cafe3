//! How owners are reached, behind the switch.

use async_trait::async_trait;
use tm_auth_proto::{AccountId, SessionId};
use tm_auth_store::{Contacts, Result};

use super::SwitchedStore;

#[async_trait]
impl Contacts for SwitchedStore {
    async fn contact_email(&self, uid: AccountId) -> Result<Option<String>> {
        self.gate("contact_email").await?;
        self.inner.contact_email(uid).await
    }

    async fn set_contact_email(&self, uid: AccountId, email: Option<String>) -> Result<bool> {
        self.gate("set_contact_email").await?;
        self.inner.set_contact_email(uid, email).await
    }

    async fn owner_of_session(&self, sid: SessionId) -> Result<Option<AccountId>> {
        self.gate("owner_of_session").await?;
        self.inner.owner_of_session(sid).await
    }
}
