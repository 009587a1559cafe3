//! Users: how they authenticate, and their sessions.
//!
//! A browser holds its session by a cookie. A program holds it by refresh tokens, which
//! [`crate::rotation`] judges like those of API keys. The id of a user's session is a version 7
//! UUID, that of an API key's session a version 8 UUID, so that the id tells them apart.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{AccountId, SessionId};

use crate::rotation::TokenFamily;
use crate::secret::SecretHash;
use crate::session::EndReason;
use crate::{Account, Refusal};

/// How a user authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Passkey with user verification.
    Passkey,
    /// One-time code from an e-mail.
    EmailCode,
    /// Link from the same e-mail.
    MagicLink,
    /// Sign in with Apple.
    Apple,
    /// An operator vouched for the user on the command line.
    Operator,
}

impl AuthMethod {
    const ALL: [Self; 5] = [
        Self::Passkey,
        Self::EmailCode,
        Self::MagicLink,
        Self::Apple,
        Self::Operator,
    ];

    /// Name in the database and in the `amr` claim.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::EmailCode => "email_code",
            Self::MagicLink => "magic_link",
            Self::Apple => "apple",
            Self::Operator => "operator",
        }
    }

    /// Parses the result of [`AuthMethod::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether no method is stronger. An account with a passkey requires such a method for changes
    /// of its credentials.
    pub fn is_strongest(self) -> bool {
        matches!(self, Self::Passkey | Self::Operator)
    }
}

/// An authentication of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Authentication method.
    pub method: AuthMethod,
    /// When the user authenticated.
    pub at: Timestamp,
}

/// Maximum age of a fresh proof, inclusive. Changes of credentials require a fresh proof.
pub const FRESH: SignedDuration = SignedDuration::from_mins(5);

impl Proof {
    /// Whether the user authenticated at most [`FRESH`] ago.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        // In whole seconds, as in the `auth_time` claim.
        now.as_second() - self.at.as_second() <= FRESH.as_secs()
    }
}

/// Kind of a user's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser with a cookie.
    Browser,
    /// A program with refresh tokens that uses the platform.
    Native,
    /// A program with refresh tokens that can only manage the account's credentials.
    Management,
}

impl SessionKind {
    /// Name in the database and in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Native => "native",
            Self::Management => "management",
        }
    }

    /// Parses the result of [`SessionKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Browser, Self::Native, Self::Management]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// A stored session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// Primary key; see [`session_id`].
    pub sid: SessionId,
    /// Account of the user.
    pub uid: AccountId,
    /// Kind of the session.
    pub kind: SessionKind,
    /// Hash of the secret in the cookie or in the refresh tokens.
    pub secret_hash: SecretHash,
    /// The authentication that opened the session.
    pub proof: Proof,
    /// State of the refresh tokens. Unused by browsers.
    pub family: TokenFamily,
    /// MAC key of the newest refresh token; `None` for browsers.
    pub mac_kid: Option<String>,
    /// When the session was opened.
    pub opened_at: Timestamp,
    /// When the session was last used. A browser's session is updated at most once a minute.
    pub last_used_at: Timestamp,
    /// When the session expires at the latest.
    pub expires_at: Timestamp,
    /// Client address of the last use.
    pub address: IpAddr,
    /// Browser and operating system, without versions.
    pub device: String,
    /// When and why the session ended, unless it only expired.
    pub ended: Option<(Timestamp, EndReason)>,
}

/// Lifetimes of users' sessions.
#[derive(Clone, Copy, Debug)]
pub struct UserSessionLifetimes {
    /// A session expires if it is not used for this long.
    pub idle: SignedDuration,
    /// A session expires this long after it was opened, used or not.
    pub absolute: SignedDuration,
}

impl UserSessionLifetimes {
    /// [`SessionKind::Browser`] and [`SessionKind::Management`].
    pub const BROWSER: Self = Self {
        idle: SignedDuration::from_hours(12),
        absolute: SignedDuration::from_hours(24),
    };
    /// [`SessionKind::Native`].
    pub const NATIVE: Self = Self {
        idle: SignedDuration::from_hours(14 * 24),
        absolute: SignedDuration::from_hours(30 * 24),
    };
}

impl SessionKind {
    /// Lifetimes of a session of this kind.
    pub fn lifetimes(&self) -> UserSessionLifetimes {
        match self {
            SessionKind::Browser | SessionKind::Management => UserSessionLifetimes::BROWSER,
            SessionKind::Native => UserSessionLifetimes::NATIVE,
        }
    }
}

impl UserSession {
    /// When the session expires unless it is used before.
    pub fn idle_expires_at(&self) -> Timestamp {
        (self.last_used_at + self.kind.lifetimes().idle).min(self.expires_at)
    }

    /// Checks that the session has not ended or expired, and that its account is not disabled.
    pub fn check_usable(&self, account: &Account, now: Timestamp) -> Result<(), Refusal> {
        match self.ended {
            Some((_, EndReason::Reused)) => return Err(Refusal::RefreshReused),
            Some(_) => return Err(Refusal::SessionEnded),
            None => {}
        }
        if account.disabled_at.is_some() {
            Err(Refusal::AccountDisabled)
        } else if self.idle_expires_at() <= now {
            Err(Refusal::SessionExpired)
        } else {
            Ok(())
        }
    }
}

/// Creates the id of a user's session: a version 7 UUID from 10 random bytes. Ids increase over
/// time.
pub fn session_id(now: Timestamp, random: &[u8; 10]) -> SessionId {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    SessionId(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
}

/// Whether this is the id of a user's session.
pub fn is_user_session(sid: SessionId) -> bool {
    sid.0.get_version_num() == 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_kinds_parse_back_from_their_names() {
        for method in AuthMethod::ALL {
            assert_eq!(AuthMethod::parse(method.as_str()), Some(method));
        }
        for kind in [SessionKind::Browser, SessionKind::Native, SessionKind::Management] {
            assert_eq!(SessionKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(AuthMethod::parse("password"), None);
        assert_eq!(SessionKind::parse("key"), None);
    }

    #[test]
    fn c12_a_proof_is_fresh_for_five_minutes() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let proof = Proof {
            method: AuthMethod::Passkey,
            at,
        };
        assert!(proof.is_fresh(at + SignedDuration::from_mins(5)));
        assert!(!proof.is_fresh(at + SignedDuration::from_secs(301)));
    }

    #[test]
    fn the_id_tells_a_users_session_from_an_api_keys() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert!(is_user_session(session_id(now, &[7; 10])));
        assert!(!is_user_session(SessionId(uuid::Uuid::from_u128(
            0x8000_8000 << 64
        ))));
    }
}
