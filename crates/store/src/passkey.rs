//! Passkeys: WebAuthn credentials, several per account.

use jiff::Timestamp;
use tm_auth_proto::AccountId;

/// Made by the authenticator, at most 1023 bytes, known once in this service.
pub type CredentialId = Vec<u8>;

/// The WebAuthn user handle: random, so that it identifies no person.
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
    /// When its counter last failed to grow: there may be a copy of the passkey.
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
    /// A recovery was in progress and is cancelled: a user who has the passkey does not need it.
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
