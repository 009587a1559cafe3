//! Passkeys: WebAuthn credentials, several per account.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use crate::{NewAccount, Origin, Result};

/// Made by the authenticator, at most 1023 bytes, known once in this service.
pub type CredentialId = Vec<u8>;

/// The WebAuthn user handle: random, so that it says nothing of anybody.
pub type UserHandle = [u8; 64];

/// A passkey about to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its id.
    pub credential_id: CredentialId,
    /// How its owner calls it.
    pub name: String,
    /// Public key, transports and what else never changes, in the words of the server.
    pub credential: String,
    /// Its signature counter.
    pub counter: u32,
    /// Whether it may be copied to other devices; never changes.
    pub backup_eligible: bool,
    /// Whether it was.
    pub backed_up: bool,
    /// Now.
    pub created_at: Timestamp,
}

/// A passkey as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Its id.
    pub credential_id: CredentialId,
    /// Whose it is.
    pub uid: AccountId,
    /// How its owner calls it.
    pub name: String,
    /// See [`NewPasskey::credential`].
    pub credential: String,
    /// The highest counter seen.
    pub counter: u32,
    /// Whether it may be copied to other devices.
    pub backup_eligible: bool,
    /// Whether it was, when it was last used.
    pub backed_up: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last proved its owner.
    pub last_used_at: Option<Timestamp>,
    /// When its counter last failed to grow: maybe somebody has a copy.
    pub suspect_at: Option<Timestamp>,
}

/// How a person without a passkey is known to authenticators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyUser {
    /// Stays the same for all passkeys of the account.
    pub handle: UserHandle,
    /// The name given at sign-up, if any.
    pub display_name: Option<String>,
}

/// What a verified assertion said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasskeyUse {
    /// Its signature counter.
    pub counter: u32,
    /// Whether the passkey is backed up now.
    pub backed_up: bool,
}

/// A passkey that proved its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasskeyUsed {
    /// Its counter did not grow, but it may live on several devices at once: its owner should know.
    pub suspect: bool,
    /// A recovery was under way and is over: whoever has the passkey needs none.
    pub recovery_cancelled: bool,
}

/// On which ground a passkey is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedBy {
    /// The strongest proof that the account has.
    Proof,
    /// An e-mail sign-in after a recovery that is over.
    Recovery,
}

/// What the service does with passkeys.
#[async_trait]
pub trait Passkeys: Send + Sync {
    /// What authenticators are told of this account. The first caller's `fresh` handle becomes the account's
    /// for good. `None`: no such account.
    async fn passkey_user(&self, uid: AccountId, fresh: UserHandle) -> Result<Option<PasskeyUser>>;

    /// The account with this handle.
    async fn account_by_user_handle(&self, handle: UserHandle) -> Result<Option<Account>>;

    /// Makes an account together with its first passkey: never the one without the other. Refused where the
    /// credential is known already, whosever it is.
    async fn sign_up_with_passkey(
        &self,
        account: NewAccount,
        user: PasskeyUser,
        passkey: NewPasskey,
        origin: &Origin,
    ) -> Result<Result<Account, Refusal>>;

    /// Adds a passkey to an account that may act. Refused where the credential is known already, whosever it
    /// is, and at `max` of them. Ends a recovery; with [`AddedBy::Recovery`] there must be one that is over
    /// at `passkey.created_at`, in this same step. Returns whether there was one.
    async fn add_passkey(
        &self,
        uid: AccountId,
        passkey: NewPasskey,
        by: AddedBy,
        max: u32,
        origin: &Origin,
    ) -> Result<Result<bool, Refusal>>;

    /// One passkey with its account, whatever its state.
    async fn passkey(&self, credential_id: CredentialId) -> Result<Option<(Passkey, Account)>>;

    /// The passkeys of an account, oldest first.
    async fn passkeys_of(&self, uid: AccountId) -> Result<Vec<Passkey>>;

    /// Whether the account has a passkey: then nothing weaker changes its credentials.
    async fn has_passkey(&self, uid: AccountId) -> Result<bool>;

    /// Judges the counter by [`tm_auth_core::passkey::judge_counter`] on the row as it is and moves the row
    /// along, in one step: of two assertions at once neither sets the counter back. A refused one is noted
    /// too. An accepted one cancels a recovery of the account.
    async fn use_passkey(
        &self,
        credential_id: CredentialId,
        used: PasskeyUse,
        origin: &Origin,
    ) -> Result<Result<PasskeyUsed, Refusal>>;

    /// Gives a passkey of this account another name.
    async fn rename_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        name: String,
        origin: &Origin,
    ) -> Result<Result<(), Refusal>>;

    /// Removes a passkey of this account, unless nothing else lets its owner in: no other passkey, no proved
    /// e-mail address, no Apple identity. Returns its name.
    async fn remove_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        origin: &Origin,
    ) -> Result<Result<String, Refusal>>;
}
