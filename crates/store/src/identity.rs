//! Login methods of an account, and the cooldown of its addresses.
//!
//! An e-mail address selects an account only if the account verified it here. An address that an
//! account gives up is in cooldown: for [`COOLDOWN`] no other account gets it, so that late e-mail
//! or a link in an old mailbox never reaches another account.

use jiff::SignedDuration;

/// Cooldown of an address that an account gave up.
pub const COOLDOWN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The ways to log in to an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginMethods {
    /// Number of passkeys.
    pub passkeys: u32,
    /// The verified address.
    pub email: Option<String>,
    /// Number of linked Apple accounts whose user has not withdrawn consent.
    pub apple: u32,
}

impl LoginMethods {
    /// Number of login methods. Only deleting the account removes the last one.
    pub fn count(&self) -> u32 {
        self.passkeys + self.apple + u32::from(self.email.is_some())
    }
}

/// Outcome of [`crate::Store::set_email`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmailChange {
    /// The account now has the new address. Contains the previous one.
    Changed(Option<String>),
    /// The account already had this address.
    Unchanged,
    /// Another account has the address, or gave it up less than [`COOLDOWN`] ago.
    Taken,
    /// The account does not exist or is disabled, or the address was verified for another purpose.
    NoAccount,
}
