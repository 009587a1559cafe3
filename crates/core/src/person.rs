//! People: how they prove who they are, and the sessions that a proof opens.
//!
//! A browser's session is a cookie; a command line's a line of refresh tokens, judged like a key's. Their ids
//! are UUIDs of version 7, those of a key's sessions of version 8, so each is told from the other without a
//! look-up.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{AccountId, SessionId};

use crate::rotation::Line;
use crate::secret::SecretHash;
use crate::session::EndReason;
use crate::{Account, Refusal};

/// How a person proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A passkey with user verification.
    Passkey,
    /// A one-time code from a mail.
    EmailCode,
    /// The link in the same mail.
    MagicLink,
    /// Sign in with Apple.
    Apple,
    /// An operator vouched for them at the command line.
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

    /// As it is stored, and as the `amr` claim of a management token has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::EmailCode => "email_code",
            Self::MagicLink => "magic_link",
            Self::Apple => "apple",
            Self::Operator => "operator",
        }
    }

    /// Back from [`AuthMethod::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether nothing stronger exists: what an account with a passkey takes for changes of its credentials.
    pub fn is_strongest(self) -> bool {
        matches!(self, Self::Passkey | Self::Operator)
    }
}

/// A proof of who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How.
    pub method: AuthMethod,
    /// When.
    pub at: Timestamp,
}

/// What changes credentials takes a proof at most this old.
pub const FRESH: SignedDuration = SignedDuration::from_mins(5);

impl Proof {
    /// Whether it was given within the last five minutes.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        // In whole seconds, as the `auth_time` of a token has it.
        now.as_second() - self.at.as_second() <= FRESH.as_secs()
    }
}

/// What holds a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser, by its cookie.
    Browser,
    /// A command line, by refresh tokens, to use the platform.
    Native,
    /// A command line, by refresh tokens, to manage the account's credentials and for nothing else.
    Management,
}

impl SessionKind {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Native => "native",
            Self::Management => "management",
        }
    }

    /// Back from [`SessionKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Browser, Self::Native, Self::Management]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// A person's session, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSession {
    /// Its id.
    pub sid: SessionId,
    /// Whose it is.
    pub uid: AccountId,
    /// What holds it.
    pub kind: SessionKind,
    /// What recognises the secret in the cookie or the refresh tokens.
    pub secret_hash: SecretHash,
    /// The proof it was opened with.
    pub proof: Proof,
    /// Native: where its line of refresh tokens stands.
    pub line: Line,
    /// Native: the MAC key of the newest refresh token.
    pub mac_kid: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last seen, to the minute.
    pub last_used_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// From where it was last used.
    pub address: IpAddr,
    /// Browser and system, coarsely.
    pub device: String,
    /// When and why it was ended before its time.
    pub ended: Option<(Timestamp, EndReason)>,
}

/// How long a person's sessions live.
#[derive(Clone, Copy, Debug)]
pub struct PersonLives {
    /// It ends when it is not used for this long.
    pub idle: SignedDuration,
    /// It ends this long after it was opened.
    pub absolute: SignedDuration,
}

impl PersonLives {
    /// A browser's, and a command line's that manages credentials: 12 hours without use, 24 hours in all.
    pub const BROWSER: Self = Self {
        idle: SignedDuration::from_hours(12),
        absolute: SignedDuration::from_hours(24),
    };
    /// A command line's: 14 days without use, 30 days in all.
    pub const NATIVE: Self = Self {
        idle: SignedDuration::from_hours(14 * 24),
        absolute: SignedDuration::from_hours(30 * 24),
    };
}

impl SessionKind {
    /// How long such a session lives.
    pub fn lives(&self) -> PersonLives {
        match self {
            SessionKind::Browser | SessionKind::Management => PersonLives::BROWSER,
            SessionKind::Native => PersonLives::NATIVE,
        }
    }
}

impl PersonSession {
    /// When the session ends if nobody uses it from here on.
    pub fn idle_end(&self) -> Timestamp {
        (self.last_used_at + self.kind.lives().idle).min(self.expires_at)
    }

    /// Whether it may go on: it must not be over, and its account must be allowed to act.
    pub fn permit(&self, account: &Account, now: Timestamp) -> Result<(), Refusal> {
        match self.ended {
            Some((_, EndReason::Reused)) => return Err(Refusal::RefreshReused),
            Some(_) => return Err(Refusal::SessionEnded),
            None => {}
        }
        if account.disabled_at.is_some() {
            Err(Refusal::AccountDisabled)
        } else if self.idle_end() <= now {
            Err(Refusal::SessionExpired)
        } else {
            Ok(())
        }
    }
}

/// A fresh id of a person's session: time-ordered, from 10 random bytes.
pub fn session_id(now: Timestamp, random: &[u8; 10]) -> SessionId {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    SessionId(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
}

/// Whether a session is a person's, by its id.
pub fn is_persons(sid: SessionId) -> bool {
    sid.0.get_version_num() == 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
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
    fn a_persons_session_is_known_by_its_id() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert!(is_persons(session_id(now, &[7; 10])));
        assert!(!is_persons(SessionId(uuid::Uuid::from_u128(0x8000_8000 << 64))));
    }
}
