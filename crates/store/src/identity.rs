//! What an account is recognised by, and its end.
//!
//! An address selects an account only once it was proved here. One that an account gives up rests: for
//! [`RESTING`] nobody else gets it, so that mail still on its way, or a link in an old mailbox, never meets
//! another account.

use async_trait::async_trait;
use jiff::SignedDuration;
use tm_auth_core::Account;
use tm_auth_proto::AccountId;

use crate::sign_in_code::ProvedEmail;
use crate::{Origin, Result};

/// How long an address that was given up rests.
pub const RESTING: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The ways in which an account's owner can prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaysIn {
    /// How many passkeys.
    pub passkeys: u32,
    /// The address that was proved here.
    pub email: Option<String>,
    /// How many Apple accounts.
    pub apple: u32,
}

impl WaysIn {
    /// How many there are. The last one is never taken away, except by deleting the account.
    pub fn count(&self) -> u32 {
        self.passkeys + self.apple + u32::from(self.email.is_some())
    }
}

/// What became of an address that was proved for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailChange {
    /// It is the account's now, in place of this one.
    Changed(Option<String>),
    /// It was the account's already.
    Unchanged,
    /// It is another account's, or another one gave it up and it still rests.
    Taken,
    /// There is no such account, or it may not act.
    NoAccount,
}

/// What the service does with the ways into accounts.
#[async_trait]
pub trait Identities: Send + Sync {
    /// The account that proved this address, whatever its state. Reads only.
    async fn account_by_email(&self, email: &str) -> Result<Option<Account>>;

    /// Gives an account the address that was proved for it. Its old one rests, and the codes and links that
    /// are out for the old one or for another change of this account's address are dead.
    async fn set_email(&self, proved: ProvedEmail, origin: &Origin) -> Result<EmailChange>;

    /// The ways into an account. None for one that does not exist.
    async fn ways_in(&self, uid: AccountId) -> Result<WaysIn>;

    /// Deletes an account for ever: its keys are revoked, its sessions ended, its ways in gone, its address
    /// rests, and its tokens are on the revocation list. What stays is its id, which is never used again, its
    /// keys' public halves and its trail. `false`: there was no such account, or it was deleted already.
    async fn delete_account(&self, uid: AccountId, origin: &Origin) -> Result<bool>;
}
