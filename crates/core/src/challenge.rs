//! The challenge of a mint: `{key_id}.{timestamp}`, signed.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{ApiKeyTokenRequest, Environment, KeyId, SessionId, challenge};

use crate::Refusal;
use crate::refusal::TimestampHint;
use crate::signature::Signature;

/// A challenge that is well formed, of this environment and fresh. Its signature is not verified yet.
#[derive(Clone, Debug)]
pub struct Challenge {
    key_id: KeyId,
    at: Timestamp,
    /// What was signed: the key id exactly as sent.
    text: String,
    signature: Signature,
}

impl Challenge {
    /// Reads a challenge and checks all that needs no key: syntax, environment, freshness.
    ///
    /// `tolerance` is the accepted distance between the timestamp and `now`, inclusive.
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

    /// The key it claims to be from.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The second that was signed.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    pub(crate) fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The id of the session that this challenge opens, and of no other: the replay guard.
    ///
    /// A UUID of version 8 (RFC 9562): 40 bits of the challenge's second, so that ids grow with time and an
    /// index takes them cheaply; then 82 bits of SHA-256 over environment, key, second and `r`. The same
    /// challenge in whatever encoding collides with itself on the primary key, on every node.
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

/// A key id as clients send it: 36 characters with dashes, in either case.
fn parse_key_id(text: &str) -> Result<KeyId, Refusal> {
    let problem = || Refusal::InvalidField {
        field: "key_id",
        problem: "must be a UUID such as the key file has".to_owned(),
    };
    if text.len() != 36 {
        return Err(problem());
    }
    text.parse().map_err(|_| problem())
}

/// Compares whole seconds: a client cannot say fractions.
fn fresh(seconds: i64, tolerance: SignedDuration, now: Timestamp) -> Result<Timestamp, Refusal> {
    // No clock, however wrong, is before 1970: this is a fault of the program and not of its clock.
    if seconds < 0 {
        return Err(Refusal::InvalidField {
            field: "timestamp",
            problem: "must be Unix seconds".to_owned(),
        });
    }
    let server = now.as_second();
    if seconds.abs_diff(server) <= tolerance.as_secs().unsigned_abs() {
        // Within the tolerance of a valid instant; only the last seconds of the year 9999 have none.
        if let Ok(at) = Timestamp::from_second(seconds) {
            return Ok(at);
        }
    }
    Err(Refusal::TimestampOutOfRange {
        server_time: now,
        skew_ms: seconds.saturating_sub(server).saturating_mul(1000),
        // As seconds this lies millennia ahead; as milliseconds or finer it is about now.
        hint: if seconds / 100 >= server {
            TimestampHint::NotSeconds
        } else {
            TimestampHint::None
        },
    })
}

#[cfg(test)]
mod tests;
