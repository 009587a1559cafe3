//! Sign in with Apple: which account an Apple account opens.
//!
//! An identity is Apple's (`iss`, `sub`) and nothing else; the address in a token selects no account. An account has
//! at most one, so that "Apple" on the security page is one thing.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use crate::{NewAccount, Origin, Result};

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

/// What the service does with Apple's identities.
#[async_trait]
pub trait AppleIdentities: Send + Sync {
    /// The account of this identity; made now, with the identity, where nobody has it. `new.email` is not looked at:
    /// what Apple says is where notices go and opens nothing, and if an account proved that address here, nothing is
    /// made. Codes and links that anybody asked for in the name of the address before are dead with the account's
    /// making. Of two sign-ins at once with a new identity one makes the account and the other finds it. An identity
    /// that was withdrawn counts again: whoever comes with it has just consented.
    async fn account_by_apple(
        &self,
        subject: AppleSubject,
        new: NewAccount,
        display_name: Option<String>,
        origin: &Origin,
    ) -> Result<AppleSignIn>;

    /// Gives an account this identity, in place of one that was withdrawn. It is no error to do it twice. Refused
    /// where another account has it, where this one has another, and where the account may not act.
    async fn link_apple(
        &self,
        uid: AccountId,
        subject: AppleSubject,
        origin: &Origin,
    ) -> Result<Result<(), Refusal>>;

    /// Takes the identity away. `false`: the account has none. Refused where it is the last way in.
    async fn unlink_apple(&self, uid: AccountId, origin: &Origin) -> Result<Result<bool, Refusal>>;

    /// The identity of an account.
    async fn apple_identity_of(&self, uid: AccountId) -> Result<Option<AppleIdentity>>;

    /// The account of an identity, whatever their state.
    async fn account_of_apple(&self, iss: String, sub: String) -> Result<Option<Account>>;

    /// Apple tells at `told_at` that a person withdrew: the identity is taken from its account, or marked where it
    /// is the one way in, and every session of that person ends. `None`: nobody has the identity, or it was linked
    /// after `told_at`, so that an old message that comes again does nothing.
    async fn withdraw_apple(
        &self,
        iss: String,
        sub: String,
        told_at: Timestamp,
        origin: &Origin,
    ) -> Result<Option<AppleWithdrawal>>;
}
