//! What an account is recognised by, and its end.
//!
//! An address selects an account only once it was proved here. One that an account gives up rests: for
//! [`COOLDOWN`] no other account gets it, so that mail still on its way, or a link in an old mailbox, never meets
//! another account.

use jiff::SignedDuration;

/// How long an address that was given up rests.
pub const COOLDOWN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The ways in which an account's owner can prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginMethods {
    /// How many passkeys.
    pub passkeys: u32,
    /// The address that was proved here.
    pub email: Option<String>,
    /// How many Apple accounts.
    pub apple: u32,
}

impl LoginMethods {
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
