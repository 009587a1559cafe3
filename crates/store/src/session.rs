//! Sessions as they are opened and rotated.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_core::session::{Session, SessionLifetimes};
use tm_auth_core::token::refresh::VerifiedRefreshToken;
use tm_auth_core::user::UserSession;
use tm_auth_core::{Account, ApiKey};

use crate::AuditContext;

/// What became of [`crate::Store::open_session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenOutcome {
    /// The session is stored, by this call or by an earlier try of the same one.
    Opened,
    /// The challenge opened a session before.
    Replayed,
    /// The challenge is older than the restore of the database.
    BeforeRecovery,
    /// Key or account changed since they were read: read them and decide again.
    Changed,
}

/// A refresh token presented for rotation, its MAC verified.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The token.
    pub presented: VerifiedRefreshToken,
    /// Where the request came from.
    pub address: IpAddr,
    /// The MAC key under which the next token is issued.
    pub mac_kid: String,
    /// The session rules.
    pub lifetimes: SessionLifetimes,
    /// Now.
    pub now: Timestamp,
    /// For the audit trail.
    pub audit_context: AuditContext,
}

/// A refresh token was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The session as its row stands now: the token to hand out follows from it.
    pub session: Session,
    /// The session's key as it is now: the access token's claims follow from it.
    pub key: ApiKey,
    /// How.
    pub kind: RotationKind,
}

/// A person's refresh token was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedUserSession {
    /// The session as its row stands now.
    pub session: UserSession,
    /// Its account as it is now.
    pub account: Account,
    /// How.
    pub kind: RotationKind,
}

/// Which branch of the rotation rules it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationKind {
    /// The newest token was exchanged.
    Rotated,
    /// The newest token was exchanged, and the row had fallen behind it.
    FastForwarded,
    /// The parent came again soon: the same successor.
    Repeated,
    /// The parent came again late: a new successor.
    Reissued,
}
