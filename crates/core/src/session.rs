//! Sessions of API keys.
//!
//! 1. [`open`] derives a session from a key that verified a challenge.
//! 2. The store inserts it, unless the key or the account changed since they were read. The id
//!    comes from the challenge, so that the primary key refuses a replay.
//! 3. At each refresh, [`Session::check_usable`] checks that the session has not ended or expired
//!    and that its key may be used. Then [`crate::rotation::decide`] judges the presented refresh
//!    token.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{AccountId, Environment, KeyId, SessionId};

use crate::rotation::TokenFamily;
use crate::secret::{SecretHash, SessionSecret};
use crate::{ApiKey, AuthenticatedKey, Refusal};

/// Lifetimes of API key sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionLifetimes {
    /// A session expires if it is not refreshed for this long.
    pub idle: SignedDuration,
    /// A session expires this long after it was opened, refreshed or not.
    pub absolute: SignedDuration,
    /// Reuse grace: see [`crate::rotation`].
    pub reuse_grace: SignedDuration,
}

/// A session to be stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Primary key, derived from the challenge.
    pub sid: SessionId,
    /// Key that opened the session.
    pub key_id: KeyId,
    /// Owner of the key.
    pub uid: AccountId,
    /// Version of the key's row that was judged. The store opens no session if it has changed.
    pub key_version: i64,
    /// Version of the account's row that was judged. The store opens no session if it has changed.
    pub account_version: i64,
    /// Hash of the session's secret.
    pub secret_hash: SecretHash,
    /// Random. If it is unknown whether an insert committed, the caller retries; the nonce
    /// distinguishes its own row from a replay.
    pub open_nonce: [u8; 16],
    /// MAC key of the first refresh token.
    pub mac_kid: String,
    /// Signed timestamp. The row must outlive the time in which the challenge would be accepted.
    pub challenge_at: Timestamp,
    /// When the session was opened.
    pub opened_at: Timestamp,
    /// When the session expires at the latest.
    pub expires_at: Timestamp,
}

/// A stored session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Primary key, derived from the challenge.
    pub sid: SessionId,
    /// Key that opened the session.
    pub key_id: KeyId,
    /// Hash of the session's secret.
    pub secret_hash: SecretHash,
    /// State of the refresh tokens.
    pub family: TokenFamily,
    /// MAC key of the newest refresh token.
    pub mac_kid: String,
    /// When the session was opened, which is also when its holder authenticated.
    pub opened_at: Timestamp,
    /// When the session expires at the latest.
    pub expires_at: Timestamp,
    /// When and why the session ended, unless it only expired.
    pub ended: Option<(Timestamp, EndReason)>,
}

/// Reason why a session ended before it expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// An old refresh token was reused.
    Reused,
    /// The holder of a token or the account's owner ended it.
    Revoked,
    /// An operator ended all sessions, for example after a restore.
    Operator,
}

impl EndReason {
    /// Name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reused => "reused",
            Self::Revoked => "revoked",
            Self::Operator => "operator",
        }
    }

    /// Parses the result of [`EndReason::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reused, Self::Revoked, Self::Operator]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// Random bytes for [`open`].
#[derive(Clone, Debug)]
pub struct OpenRandomness {
    /// Secret of the session.
    pub secret: SessionSecret,
    /// See [`NewSession::open_nonce`].
    pub open_nonce: [u8; 16],
}

/// Step 1: derives the session to store. The secret belongs into the refresh token and nowhere
/// else; the session has only its hash.
pub fn open(
    authenticated: &AuthenticatedKey,
    randomness: &OpenRandomness,
    mac_kid: &str,
    environment: Environment,
    lifetimes: &SessionLifetimes,
    now: Timestamp,
) -> NewSession {
    let key = authenticated.key();
    let end = now + lifetimes.absolute;
    NewSession {
        sid: authenticated.challenge().session_id(environment),
        key_id: key.key_id,
        uid: key.account.uid,
        key_version: key.version,
        account_version: key.account.version,
        secret_hash: randomness.secret.hash(),
        open_nonce: randomness.open_nonce,
        mac_kid: mac_kid.to_owned(),
        challenge_at: authenticated.challenge().at(),
        opened_at: now,
        expires_at: key.expires_at.map_or(end, |key_end| key_end.min(end)),
    }
}

impl NewSession {
    /// The session after step 2.
    pub fn stored(&self) -> Session {
        Session {
            sid: self.sid,
            key_id: self.key_id,
            secret_hash: self.secret_hash,
            family: TokenFamily::start(self.opened_at),
            mac_kid: self.mac_kid.clone(),
            opened_at: self.opened_at,
            expires_at: self.expires_at,
            ended: None,
        }
    }
}

impl Session {
    /// When the session expires unless it is refreshed before.
    pub fn idle_expires_at(&self, lifetimes: &SessionLifetimes) -> Timestamp {
        (self.family.rotated_at + lifetimes.idle).min(self.expires_at)
    }

    /// Step 3: checks that the session has not ended or expired and that its key may be used.
    pub fn check_usable(
        &self,
        key: &ApiKey,
        address: IpAddr,
        lifetimes: &SessionLifetimes,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match self.ended {
            Some((_, EndReason::Reused)) => return Err(Refusal::RefreshReused),
            Some((_, EndReason::Revoked | EndReason::Operator)) => return Err(Refusal::SessionEnded),
            None => {}
        }
        key.check_usable(address, now)?;
        if self.idle_expires_at(lifetimes) <= now {
            Err(Refusal::SessionExpired)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
