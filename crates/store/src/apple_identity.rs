//! Sign in with Apple: which account an Apple account opens.
//!
//! An identity is Apple's (`iss`, `sub`) and nothing else; the address in a token selects no account. An account has
//! at most one, so that "Apple" on the security page is one thing.

use jiff::Timestamp;
use tm_auth_core::Account;

/// Whom Apple vouched for just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppleSubject {
    /// The issuer.
    pub iss: String,
    /// Its stable name for this person and our team.
    pub sub: String,
    /// An address that Apple verified, normalised.
    pub email: Option<String>,
    /// Whether that address is a relay that hides the person's own.
    pub private_relay: bool,
}

/// What became of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppleSignIn {
    /// The identity opened this account before.
    Known(Account),
    /// The account was made now.
    Made(Account),
    /// Nothing was made: the address belongs to an account that does not know this identity.
    AddressHasAccount,
}

/// The identity of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppleIdentity {
    /// The issuer.
    pub iss: String,
    /// Its name for this person.
    pub sub: String,
    /// The address that Apple gave last.
    pub email: Option<String>,
    /// Whether that address is a relay.
    pub private_relay: bool,
    /// When it was linked.
    pub created_at: Timestamp,
    /// Since when Apple says that the person withdrew: it opens nothing until they consent again. Kept only where
    /// it was the account's one way in.
    pub withdrawn_at: Option<Timestamp>,
}

/// What became of a person's withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppleWithdrawal {
    /// Whose identity it was.
    pub account: Account,
    /// Whether it was the one way in, and so stays, marked.
    pub kept: bool,
}
