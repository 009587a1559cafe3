//! Sign in with Apple: which Apple account belongs to which account.
//!
//! Apple's (`iss`, `sub`) is the identity. The e-mail address in an ID token selects no account. An
//! account has at most one identity, so "Apple" on the security page means one thing.

use jiff::Timestamp;
use tm_auth_core::{Account, EmailAddress};

/// The subject of an ID token that was verified just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppleSubject {
    /// `iss`.
    pub iss: String,
    /// `sub`: Apple's stable id of the user for this developer team.
    pub sub: String,
    /// The address, if Apple has verified it.
    pub email: Option<EmailAddress>,
    /// Whether the address is a private relay that hides the user's own.
    pub private_relay: bool,
}

/// Outcome of [`crate::Store::account_by_apple`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppleSignIn {
    /// The identity is linked to this account.
    Known(Account),
    /// The call created the account.
    Made(Account),
    /// Nothing was created, because the address belongs to an account without this identity.
    AddressHasAccount,
}

/// The Apple identity of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppleIdentity {
    /// `iss`.
    pub iss: String,
    /// `sub`.
    pub sub: String,
    /// The address in the newest ID token that had one.
    pub email: Option<String>,
    /// Whether the address is a private relay.
    pub private_relay: bool,
    /// When it was linked, or consent was given again.
    pub created_at: Timestamp,
    /// When the user withdrew consent at Apple. It cannot log in until the user consents again.
    /// A withdrawn identity is kept only if it was the account's only login method.
    pub withdrawn_at: Option<Timestamp>,
}

/// Outcome of [`crate::Store::withdraw_apple`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppleWithdrawal {
    /// The account of the identity.
    pub account: Account,
    /// Whether the identity was kept, because it is the account's only login method.
    pub kept: bool,
}
