//! Passkeys: WebAuthn credentials. An account can have several.

use jiff::Timestamp;
use tm_auth_proto::AccountId;

/// The authenticator's id for the credential: at most 1023 bytes, unique in this service.
pub type CredentialId = Vec<u8>;

/// WebAuthn user handle: random, so that it reveals nothing about the user.
pub type UserHandle = [u8; 64];

/// A passkey to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Credential id.
    pub credential_id: CredentialId,
    /// Name that the owner chose.
    pub name: String,
    /// Public key and transports, in the server's JSON encoding. They never change.
    pub credential: String,
    /// Signature counter.
    pub counter: u32,
    /// Backup eligibility: whether it may be copied to other devices. Never changes.
    pub backup_eligible: bool,
    /// Backup state: whether it was copied.
    pub backed_up: bool,
    /// Registration time.
    pub created_at: Timestamp,
}

/// A stored passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Credential id.
    pub credential_id: CredentialId,
    /// Owner's account.
    pub uid: AccountId,
    /// Name that the owner chose.
    pub name: String,
    /// See [`NewPasskey::credential`].
    pub credential: String,
    /// Highest signature counter so far.
    pub counter: u32,
    /// Backup eligibility.
    pub backup_eligible: bool,
    /// Backup state at the last use.
    pub backed_up: bool,
    /// Registration time.
    pub created_at: Timestamp,
    /// Last successful authentication.
    pub last_used_at: Option<Timestamp>,
    /// When its counter last failed to increase, which can mean that there is a copy.
    pub suspect_at: Option<Timestamp>,
}

/// The user entity of an account, as authenticators store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyUser {
    /// The same for all passkeys of the account.
    pub handle: UserHandle,
    /// Name from the sign-up, if any.
    pub display_name: Option<String>,
}

/// Authenticator data of a verified assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasskeyUse {
    /// Signature counter.
    pub counter: u32,
    /// Backup state.
    pub backed_up: bool,
}

/// A successful authentication with a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasskeyUsed {
    /// The counter did not increase, but the passkey may be on several devices. Notify the
    /// owner.
    pub suspect: bool,
    /// A pending recovery was cancelled, since the owner still has a passkey.
    pub recovery_cancelled: bool,
}

/// What allows a passkey to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedBy {
    /// An authentication with the strongest method that the account has.
    Proof,
    /// A login by e-mail, and a recovery whose waiting time is over.
    Recovery,
}
