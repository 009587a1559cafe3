//! Opening and rotating sessions.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_core::session::{Session, SessionLifetimes};
use tm_auth_core::token::refresh::VerifiedRefreshToken;
use tm_auth_core::user::UserSession;
use tm_auth_core::{Account, ApiKey, Refusal};

use crate::AuditContext;

/// Outcome of [`crate::Store::open_session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenOutcome {
    /// The session is stored, by this call or by an earlier attempt of the same mint.
    Opened,
    /// The challenge already opened a session.
    Replayed,
    /// The challenge was signed before the database was restored.
    BeforeRecovery,
    /// Key or account changed since the decision. Read both and decide again.
    Changed,
}

/// A presented refresh token whose MAC was verified.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The verified token.
    pub presented: VerifiedRefreshToken,
    /// The client's address.
    pub address: IpAddr,
    /// Id of the MAC key for the next token.
    pub mac_kid: String,
    /// Lifetimes of the session.
    pub lifetimes: SessionLifetimes,
    /// Time of the request.
    pub now: Timestamp,
    /// Caller and time for the audit trail.
    pub audit_context: AuditContext,
}

/// An accepted refresh token of an API key's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The session after the rotation. The new refresh token follows from it.
    pub session: Session,
    /// The session's key. The claims of the access token follow from it.
    pub key: ApiKey,
    /// Applied rule.
    pub kind: RotationKind,
}

/// An accepted refresh token of a user's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotatedUserSession {
    /// The session after the rotation.
    pub session: UserSession,
    /// The session's account.
    pub account: Account,
    /// Applied rule.
    pub kind: RotationKind,
}

/// A refresh token that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRotation {
    /// The reason.
    pub refusal: Refusal,
    /// True if this very call detected the reuse and ended the session, false if the session was
    /// ended before. So each end is reported once, whatever the caller remembers.
    pub ended_session: bool,
}

impl RefusedRotation {
    /// The token was reused, and the call ended its session.
    pub(crate) fn ended_by_reuse() -> Self {
        Self {
            refusal: Refusal::RefreshReused,
            ended_session: true,
        }
    }
}

impl From<Refusal> for RefusedRotation {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            ended_session: false,
        }
    }
}

/// The rotation rule that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationKind {
    /// The newest token was rotated.
    Rotated,
    /// A token newer than the row was rotated, as after the loss of the database's last commits.
    FastForwarded,
    /// A token was presented again within the grace period after its exchange, and gets the newest
    /// token.
    Repeated,
    /// The parent was presented again after the grace period, and gets a new successor.
    Reissued,
}
