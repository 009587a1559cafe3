//! Sessions: what a mint opens, and under which conditions it goes on.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{AccountId, Environment, KeyId, SessionId};

use crate::rotation::Line;
use crate::secret::{SecretHash, SessionSecret};
use crate::{ApiKey, ProvenKey, Refusal};

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// A session ends when it is not refreshed for this long.
    pub idle: SignedDuration,
    /// A session ends this long after it was opened, refreshed or not.
    pub absolute: SignedDuration,
    /// In this time after a rotation the parent gets the same successor again.
    pub same_successor: SignedDuration,
}

/// A session about to be stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Made from the challenge, so that the primary key refuses a replay.
    pub sid: SessionId,
    /// The key that opened it.
    pub key_id: KeyId,
    /// The key's owner.
    pub uid: AccountId,
    /// The key row's version at the decision: the store opens nothing on another one.
    pub key_version: i64,
    /// The account row's version at the decision, likewise.
    pub account_version: i64,
    /// What recognises the session's secret.
    pub secret_hash: SecretHash,
    /// Random; tells our own retry after an unknown commit from a replay.
    pub open_nonce: [u8; 16],
    /// The MAC key of the first refresh token.
    pub mac_kid: String,
    /// The second that was signed. Nothing is deleted while its challenge could still be accepted.
    pub challenge_at: Timestamp,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// A stored session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub sid: SessionId,
    /// The key that opened it.
    pub key_id: KeyId,
    /// What recognises its secret.
    pub secret_hash: SecretHash,
    /// Where its line of refresh tokens stands.
    pub line: Line,
    /// The MAC key of the newest refresh token.
    pub mac_kid: String,
    /// When it was opened: when its holder last signed.
    pub opened_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// When and why it was ended before its time.
    pub ended: Option<(Timestamp, EndReason)>,
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// An old refresh token came back.
    Reused,
    /// Its holder presented the refresh token to `/token/revoke`.
    Revoked,
    /// An operator ended all sessions, for example after a restore.
    Operator,
}

impl EndReason {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reused => "reused",
            Self::Revoked => "revoked",
            Self::Operator => "operator",
        }
    }

    /// Back from [`EndReason::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reused, Self::Revoked, Self::Operator]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// The random bytes that opening a session takes.
#[derive(Clone, Debug)]
pub struct OpenRandomness {
    /// The session's secret.
    pub secret: SessionSecret,
    /// See [`NewSession::open_nonce`].
    pub open_nonce: [u8; 16],
}

/// Opens a session for whoever proved a key. Returns what is stored; the secret goes into the refresh token
/// and nowhere else.
pub fn open(
    proven: &ProvenKey,
    randomness: &OpenRandomness,
    mac_kid: &str,
    environment: Environment,
    lives: &Lives,
    now: Timestamp,
) -> NewSession {
    let key = proven.key();
    let end = now + lives.absolute;
    NewSession {
        sid: proven.challenge().session_id(environment),
        key_id: key.key_id,
        uid: key.account.uid,
        key_version: key.version,
        account_version: key.account.version,
        secret_hash: randomness.secret.hash(),
        open_nonce: randomness.open_nonce,
        mac_kid: mac_kid.to_owned(),
        challenge_at: proven.challenge().at(),
        opened_at: now,
        expires_at: key.expires_at.map_or(end, |key_end| key_end.min(end)),
    }
}

impl NewSession {
    /// The row as it is once it is stored.
    pub fn stored(&self) -> Session {
        Session {
            sid: self.sid,
            key_id: self.key_id,
            secret_hash: self.secret_hash,
            line: Line::start(self.opened_at),
            mac_kid: self.mac_kid.clone(),
            opened_at: self.opened_at,
            expires_at: self.expires_at,
            ended: None,
        }
    }
}

impl Session {
    /// When the session ends if nobody refreshes it from here on.
    pub fn idle_end(&self, lives: &Lives) -> Timestamp {
        (self.line.rotated_at + lives.idle).min(self.expires_at)
    }

    /// Whether a refresh may go on from this session: it must not be over, and its key must be usable now.
    pub fn permit(
        &self,
        key: &ApiKey,
        address: IpAddr,
        lives: &Lives,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match self.ended {
            Some((_, EndReason::Reused)) => return Err(Refusal::RefreshReused),
            Some((_, EndReason::Revoked | EndReason::Operator)) => return Err(Refusal::SessionEnded),
            None => {}
        }
        key.permit(address, now)?;
        if self.idle_end(lives) <= now {
            Err(Refusal::SessionExpired)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
