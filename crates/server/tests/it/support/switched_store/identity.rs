//! The ways into accounts, behind the switch.

use async_trait::async_trait;
use tm_auth_core::Account;
use tm_auth_proto::AccountId;
use tm_auth_store::sign_in_code::ProvedEmail;
use tm_auth_store::{EmailChange, Identities, Origin, Result, WaysIn};

use super::SwitchedStore;

#[async_trait]
impl Identities for SwitchedStore {
    async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        self.gate("account_by_email").await?;
        self.inner.account_by_email(email).await
    }

    async fn set_email(&self, proved: ProvedEmail, origin: &Origin) -> Result<EmailChange> {
        self.gate("set_email").await?;
        self.inner.set_email(proved, origin).await
    }

    async fn ways_in(&self, uid: AccountId) -> Result<WaysIn> {
        self.gate("ways_in").await?;
        self.inner.ways_in(uid).await
    }

    async fn delete_account(&self, uid: AccountId, origin: &Origin) -> Result<bool> {
        self.gate("delete_account").await?;
        self.inner.delete_account(uid, origin).await
    }
}
