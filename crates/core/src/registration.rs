//! Proof of possession when a public key is registered and when a pending key is activated.
//!
//! 1. [`verify_possession`] verifies a signature by the submitted public key, before the service
//!    looks whether the key is already registered. Otherwise the response `key_already_registered`
//!    would reveal to anyone which public keys are registered here.
//! 2. The service stores the key under a new id: active at once, or pending.
//! 3. [`confirm`] verifies a signature by a pending key over its new id. It proves that the owner
//!    kept the private key, for example saved the key file. A pending key that is not activated
//!    within [`PENDING_LIFE`] is deleted.

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::{AccountId, KeyId, challenge};

use crate::refusal::TimestampHint;
use crate::signature::Signature;
use crate::{ApiKey, PublicKey, Refusal};

/// Maximum distance between a proof's timestamp and the server's clock, inclusive. It is longer
/// than for a mint, because people paste proofs by hand. A replayed proof is harmless: it names
/// issuer, account and key, and a key can be registered only once.
pub const PROOF_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A public key whose private key the caller holds. Only [`verify_possession`] creates one.
#[derive(Clone, Debug)]
pub struct OwnedPublicKey(PublicKey);

impl OwnedPublicKey {
    /// The public key.
    pub fn key(&self) -> &PublicKey {
        &self.0
    }
}

/// Time after its registration at which a pending key expires.
pub const PENDING_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A key whose holder confirmed it. Only [`confirm`] creates one, and activation requires it.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmedKey(KeyId);

impl ConfirmedKey {
    /// Id of the confirmed key.
    pub fn key_id(self) -> KeyId {
        self.0
    }
}

/// Step 1: verifies a registration proof.
pub fn verify_possession(
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

/// Step 3: verifies the signature that activates a key.
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
