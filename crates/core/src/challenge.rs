//! The challenge of a mint: the signed text `{key_id}.{timestamp}`.
//!
//! 1. [`Challenge::parse`] checks everything that does not require the key: the syntax, that the
//!    timestamp is close to the server's clock, and that the key belongs to this environment.
//! 2. [`crate::ApiKey::verify_challenge`] verifies the signature.
//! 3. `Challenge::session_id` derives the id of the session that the challenge opens. The id is a
//!    primary key, so the database refuses to accept the same challenge twice.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{ApiKeyTokenRequest, Environment, KeyId, SessionId, challenge};

use crate::Refusal;
use crate::refusal::TimestampHint;
use crate::signature::Signature;

/// A fresh challenge for this environment. Its signature is not verified yet.
#[derive(Clone, Debug)]
pub struct Challenge {
    key_id: KeyId,
    at: Timestamp,
    /// Signed text, with the key id exactly as sent.
    text: String,
    signature: Signature,
}

impl Challenge {
    /// Step 1: parses a challenge; checks syntax, freshness and environment.
    ///
    /// `tolerance` is the maximum distance between the timestamp and `now`, inclusive.
    pub fn parse(
        request: &ApiKeyTokenRequest,
        environment: Environment,
        tolerance: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let key_id = parse_key_id(&request.key_id)?;
        let signature = Signature::parse(&request.signature)?;
        let at = fresh(request.timestamp, tolerance, now)?;
        if let Some(theirs) = key_id.environment().filter(|theirs| *theirs != environment) {
            return Err(Refusal::WrongEnvironment {
                here: environment,
                theirs,
            });
        }
        Ok(Self {
            key_id,
            at,
            text: challenge::mint(&request.key_id, request.timestamp),
            signature,
        })
    }

    /// Id of the key that the challenge claims to come from.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The signed timestamp, a whole second.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    pub(crate) fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Step 3: derives the id of the session that this challenge opens. The id prevents replays.
    ///
    /// The id is a version 8 UUID (RFC 9562 section 5.8). Its first 40 bits are the timestamp: ids
    /// increase over time, so inserting them into an index is cheap. Another 82 bits are from a
    /// SHA-256 over environment, key id, timestamp and `r`. The id does not depend on the encoding
    /// of the signature, on `s` or on the node.
    pub(crate) fn session_id(&self, environment: Environment) -> SessionId {
        let second = self.at.as_second().to_be_bytes();
        let mut hash = Context::new(&SHA256);
        hash.update(environment.as_str().as_bytes());
        hash.update(self.key_id.0.as_bytes());
        hash.update(&second);
        hash.update(&self.signature.r());
        let mut bytes = [0; 16];
        bytes[..5].copy_from_slice(&second[3..]);
        bytes[5..].copy_from_slice(&hash.finish().as_ref()[..11]);
        SessionId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// Parses a key id: a UUID of 36 characters, with dashes, in upper or lower case.
fn parse_key_id(text: &str) -> Result<KeyId, Refusal> {
    let problem = || Refusal::InvalidField {
        field: "key_id",
        problem: format!(
            "has {} characters, but must be the UUID of the key file, 36 characters with dashes",
            text.chars().count()
        ),
    };
    if text.len() != 36 {
        return Err(problem());
    }
    text.parse().map_err(|_| problem())
}

/// Checks that the timestamp is close to `now`. Compares whole seconds, because clients send no
/// fractions.
fn fresh(seconds: i64, tolerance: SignedDuration, now: Timestamp) -> Result<Timestamp, Refusal> {
    // No clock is set before 1970: the client has a bug, not a wrong clock.
    if seconds < 0 {
        return Err(Refusal::InvalidField {
            field: "timestamp",
            problem: "is negative; send Unix seconds, as they are now".to_owned(),
        });
    }
    let server = now.as_second();
    if seconds.abs_diff(server) <= tolerance.as_secs().unsigned_abs() {
        // Fails only for the last seconds of the year 9999, the limit of `Timestamp`.
        if let Ok(at) = Timestamp::from_second(seconds) {
            return Ok(at);
        }
    }
    Err(Refusal::TimestampOutOfRange {
        server_time: now,
        skew_ms: seconds.saturating_sub(server).saturating_mul(1000),
        // In seconds this is millennia ahead; in milliseconds or a finer unit it may be now.
        hint: if seconds / 100 >= server {
            TimestampHint::NotSeconds
        } else {
            TimestampHint::None
        },
    })
}

#[cfg(test)]
mod tests;
