//! What nodes tell each other, and what is deleted when.

use jiff::SignedDuration;
use tm_auth_proto::{AccountId, KeyId};

/// Something that a node may hold a copy of has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key.
    Key(KeyId),
    /// An account, and with it all its keys.
    Account(AccountId),
    /// The service's own keys.
    SigningKeys,
    /// The revocation list.
    Revocations,
}

/// An answer to "what changed since?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The number of the newest change: ask with it next time. Lower than that of the question where the database
    /// lost what it had committed last.
    pub latest: i64,
    /// The changes, or `None` where some were deleted already, or lost: drop all copies.
    pub changes: Option<Vec<Change>>,
}

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Rows per table that one sweep looks at.
    pub batch: u32,
    /// How long a session without refresh lives.
    pub session_idle: SignedDuration,
    /// Sessions that are over stay this long, so that a late refresh is told why.
    pub session: SignedDuration,
    /// No session is deleted while its challenge could still be accepted; covers clock steps too.
    pub challenge: SignedDuration,
    /// Revocation entries stay until every token issued before them has ended.
    pub revocation: SignedDuration,
    /// Audit entries.
    pub audit: SignedDuration,
    /// Changes: longer than any node sleeps between two polls.
    pub change: SignedDuration,
    /// Mailed codes that are over.
    pub code: SignedDuration,
    /// Networks that an account signed in from.
    pub network: SignedDuration,
    /// Keys that were never confirmed.
    pub pending_key: SignedDuration,
}

/// What one sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Rows deleted.
    pub deleted: u64,
    /// Whether another sweep would find more at once.
    pub more: bool,
}
