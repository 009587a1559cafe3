//! Apple's identities, behind the switch.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;
use tm_auth_store::{
    AppleIdentities, AppleIdentity, AppleSignIn, AppleSubject, AppleWithdrawal, NewAccount, Origin, Result,
};

use super::SwitchedStore;

#[async_trait]
impl AppleIdentities for SwitchedStore {
    async fn account_by_apple(
        &self,
        subject: AppleSubject,
        new: NewAccount,
        display_name: Option<String>,
        origin: &Origin,
    ) -> Result<AppleSignIn> {
        self.gate("account_by_apple").await?;
        self.inner
            .account_by_apple(subject, new, display_name, origin)
            .await
    }

    async fn link_apple(
        &self,
        uid: AccountId,
        subject: AppleSubject,
        origin: &Origin,
    ) -> Result<Result<(), Refusal>> {
        self.gate("link_apple").await?;
        self.inner.link_apple(uid, subject, origin).await
    }

    async fn unlink_apple(&self, uid: AccountId, origin: &Origin) -> Result<Result<bool, Refusal>> {
        self.gate("unlink_apple").await?;
        self.inner.unlink_apple(uid, origin).await
    }

    async fn apple_identity_of(&self, uid: AccountId) -> Result<Option<AppleIdentity>> {
        self.gate("apple_identity_of").await?;
        self.inner.apple_identity_of(uid).await
    }

    async fn account_of_apple(&self, iss: String, sub: String) -> Result<Option<Account>> {
        self.gate("account_of_apple").await?;
        self.inner.account_of_apple(iss, sub).await
    }

    async fn withdraw_apple(
        &self,
        iss: String,
        sub: String,
        told_at: Timestamp,
        origin: &Origin,
    ) -> Result<Option<AppleWithdrawal>> {
        self.gate("withdraw_apple").await?;
        self.inner.withdraw_apple(iss, sub, told_at, origin).await
    }
}
