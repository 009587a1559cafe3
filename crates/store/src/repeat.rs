//! Repeating what a restored backup lost.

use tm_auth_proto::{AccountId, KeyId, SessionId};

/// A change that the log has and a restored database may lack. Each takes access away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostChange {
    /// The API key was revoked.
    KeyRevoked(KeyId),
    /// The API key was disabled.
    KeyDisabled(KeyId),
    /// The account was disabled.
    AccountDisabled(AccountId),
    /// The account was deleted.
    AccountDeleted(AccountId),
    /// The session, of an API key or a user, was ended.
    SessionEnded(SessionId),
}

/// What repeating a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// The change was made.
    Done,
    /// The database has it already.
    Known,
    /// The database does not know the key, account or session, so it cannot be used. Its access
    /// tokens are on the revocation list now.
    Listed,
}
