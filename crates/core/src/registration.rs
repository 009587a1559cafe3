//! Registering a public key: proof that whoever registers it holds it.
//!
//! The proof comes before the look-up whether the key is known: without it, the answer "already registered"
//! would tell anybody who has a key here.

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::{AccountId, challenge};

use crate::refusal::TimestampHint;
use crate::signature::Signature;
use crate::{PublicKey, Refusal};

/// How far a proof's timestamp may be from the server's clock: people paste proofs by hand. A proof is no
/// credential: it names issuer, account and key, and registering twice is refused anyway.
pub const PROOF_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A public key whose private half its registrant holds. Only [`prove`] makes one.
#[derive(Clone, Debug)]
pub struct OwnedPublicKey(PublicKey);

impl OwnedPublicKey {
    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.0
    }
}

/// Checks a registration proof.
pub fn prove(
    key: PublicKey,
    proof: &RegistrationProof,
    issuer: &str,
    account: AccountId,
    now: Timestamp,
) -> Result<OwnedPublicKey, Refusal> {
    let signature = Signature::parse(&proof.signature)?;
    if proof.timestamp.abs_diff(now.as_second()) > PROOF_TOLERANCE.as_secs().unsigned_abs() {
        return Err(Refusal::TimestampOutOfRange {
            server_time: now,
            skew_ms: proof
                .timestamp
                .saturating_sub(now.as_second())
                .saturating_mul(1000),
            hint: TimestampHint::None,
        });
    }
    let text = challenge::registration(issuer, account, &key.fingerprint(), proof.timestamp);
    if key.verifies(text.as_bytes(), &signature) {
        Ok(OwnedPublicKey(key))
    } else {
        Err(Refusal::InvalidProof)
    }
}

#[cfg(test)]
mod tests;
