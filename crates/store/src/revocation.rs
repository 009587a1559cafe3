//! Entries of the revocation list.

use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId, SessionId};

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What was revoked.
    pub revoked: Revoked,
    /// When. Entries leave the list once every token issued before has ended.
    pub at: Timestamp,
}

/// What an entry revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// All tokens of a session.
    Session(SessionId),
    /// All tokens that a key minted.
    Key(KeyId),
    /// The tokens of an account that were issued before the entry.
    Account(AccountId),
    /// All tokens that were issued before the entry.
    Everything,
}
