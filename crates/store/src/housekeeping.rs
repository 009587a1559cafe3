//! Changes that nodes announce to each other, and retention.

use jiff::SignedDuration;
use tm_auth_proto::{AccountId, KeyId};

/// A change of data that nodes cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An API key.
    Key(KeyId),
    /// An account. This concerns all its keys.
    Account(AccountId),
    /// The keys of the service.
    SigningKeys,
    /// The revocation list.
    Revocations,
}

/// Outcome of [`crate::Store::changes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Number of the newest change, for the next call. It is lower than `after` if the database
    /// lost its last commits.
    pub latest: i64,
    /// The changes. `None`: some were deleted or lost, so clear all caches.
    pub changes: Option<Vec<Change>>,
    /// Whether the database lost changes that this store has returned before: a backup was restored,
    /// or a standby was promoted that lacked the last commits.
    pub went_back: bool,
}

/// How long the rows of each table are kept, and how many one sweep handles.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Maximum number of rows that one sweep deletes per table, or reads of the sessions.
    pub batch: u32,
    /// Idle timeout of sessions.
    pub session_idle: SignedDuration,
    /// How long ended and expired sessions are kept, so that a late refresh learns the reason. Key
    /// refusals are kept as long.
    pub session: SignedDuration,
    /// Age of a challenge before its session may be deleted. An accepted challenge never outlives
    /// its session. This covers clock steps.
    pub challenge: SignedDuration,
    /// How long entries of the revocation list are kept: at least until all tokens that they revoke
    /// have expired.
    pub revocation: SignedDuration,
    /// How long entries of the audit trail are kept.
    pub audit: SignedDuration,
    /// How long changes are kept: longer than any node waits between two polls.
    pub change: SignedDuration,
    /// How long expired e-mail codes are kept.
    pub code: SignedDuration,
    /// How long networks from which an account logged in are kept.
    pub network: SignedDuration,
    /// How long pending keys are kept.
    pub pending_key: SignedDuration,
}

/// Outcome of one sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Number of deleted rows.
    pub deleted: u64,
    /// Whether another sweep may find more right away.
    pub more: bool,
}
