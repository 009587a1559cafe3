//! Entries of the revocation list.

use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId, SessionId};

/// An entry of the revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// What was revoked.
    pub revoked: Revoked,
    /// Time of the revocation; of [`Revoked::KeyExpiry`] a later time. The entry leaves the list once
    /// all tokens that were issued before have expired.
    pub at: Timestamp,
}

/// What an entry revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// All tokens of the session.
    Session(SessionId),
    /// All tokens that the key minted.
    Key(KeyId),
    /// All tokens that the key minted, from the time of the entry on. The key expires then, and tokens
    /// that it minted before its expiry was shortened would outlive it.
    KeyExpiry(KeyId),
    /// All tokens of the account that were issued before the entry.
    Account(AccountId),
    /// All tokens that were issued before the entry.
    Everything,
}
