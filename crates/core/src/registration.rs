//! Registering a public key: proof that whoever registers it holds it; and activating one that was registered
//! as pending: proof that its file was saved.
//!
//! The proof comes before the look-up whether the key is known: without it, the answer "already registered"
//! would tell anybody who has a key here.

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::{AccountId, KeyId, challenge};

use crate::refusal::TimestampHint;
use crate::signature::Signature;
use crate::{ApiKey, PublicKey, Refusal};

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

/// How long a pending key waits for its activation.
pub const PENDING_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A key that its holder confirmed. Only [`confirm`] makes one, and activating demands it.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmedKey(KeyId);

impl ConfirmedKey {
    /// Which.
    pub fn key_id(self) -> KeyId {
        self.0
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
    let text = challenge::registration(issuer, account, &key.fingerprint(), proof.timestamp);
    check(&key, proof, &text, now)?;
    Ok(OwnedPublicKey(key))
}

/// Checks the signature that activates a key.
pub fn confirm(
    key: &ApiKey,
    proof: &RegistrationProof,
    issuer: &str,
    now: Timestamp,
) -> Result<ConfirmedKey, Refusal> {
    let text = challenge::activation(issuer, key.key_id, proof.timestamp);
    check(&key.public_key, proof, &text, now)?;
    Ok(ConfirmedKey(key.key_id))
}

fn check(key: &PublicKey, proof: &RegistrationProof, text: &str, now: Timestamp) -> Result<(), Refusal> {
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
    if key.verifies(text.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(Refusal::InvalidProof)
    }
}

#[cfg(test)]
mod tests;
