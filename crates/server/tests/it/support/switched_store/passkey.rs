//! Passkeys, behind the switch.

use async_trait::async_trait;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;
use tm_auth_store::passkey::{
    AddedBy, CredentialId, NewPasskey, Passkey, PasskeyUse, PasskeyUsed, PasskeyUser, Passkeys, UserHandle,
};
use tm_auth_store::{NewAccount, Origin, Result};

use super::SwitchedStore;

#[async_trait]
impl Passkeys for SwitchedStore {
    async fn passkey_user(&self, uid: AccountId, fresh: UserHandle) -> Result<Option<PasskeyUser>> {
        self.gate("passkey_user").await?;
        self.inner.passkey_user(uid, fresh).await
    }

    async fn account_by_user_handle(&self, handle: UserHandle) -> Result<Option<Account>> {
        self.gate("account_by_user_handle").await?;
        self.inner.account_by_user_handle(handle).await
    }

    async fn sign_up_with_passkey(
        &self,
        account: NewAccount,
        user: PasskeyUser,
        passkey: NewPasskey,
        origin: &Origin,
    ) -> Result<Result<Account, Refusal>> {
        self.gate("sign_up_with_passkey").await?;
        self.inner
            .sign_up_with_passkey(account, user, passkey, origin)
            .await
    }

    async fn add_passkey(
        &self,
        uid: AccountId,
        passkey: NewPasskey,
        by: AddedBy,
        max: u32,
        origin: &Origin,
    ) -> Result<Result<bool, Refusal>> {
        self.gate("add_passkey").await?;
        self.inner.add_passkey(uid, passkey, by, max, origin).await
    }

    async fn passkey(&self, credential_id: CredentialId) -> Result<Option<(Passkey, Account)>> {
        self.gate("passkey").await?;
        self.inner.passkey(credential_id).await
    }

    async fn passkeys_of(&self, uid: AccountId) -> Result<Vec<Passkey>> {
        self.gate("passkeys_of").await?;
        self.inner.passkeys_of(uid).await
    }

    async fn has_passkey(&self, uid: AccountId) -> Result<bool> {
        self.gate("has_passkey").await?;
        self.inner.has_passkey(uid).await
    }

    async fn use_passkey(
        &self,
        credential_id: CredentialId,
        used: PasskeyUse,
        origin: &Origin,
    ) -> Result<Result<PasskeyUsed, Refusal>> {
        self.gate("use_passkey").await?;
        self.inner.use_passkey(credential_id, used, origin).await
    }

    async fn rename_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        name: String,
        origin: &Origin,
    ) -> Result<Result<(), Refusal>> {
        self.gate("rename_passkey").await?;
        self.inner.rename_passkey(uid, credential_id, name, origin).await
    }

    async fn remove_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        origin: &Origin,
    ) -> Result<Result<String, Refusal>> {
        self.gate("remove_passkey").await?;
        self.inner.remove_passkey(uid, credential_id, origin).await
    }
}
