//! Test fixtures: an account, an API key with its private key, and signed challenges.

use std::fmt::Write;
use std::net::IpAddr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{AccountId, ApiKeyTokenRequest, Environment, KeyId, OrganizationId, Scopes};

use crate::session::SessionLifetimes;
use crate::{Account, ApiKey, Challenge, Lifecycle, PublicKey};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const HERE: Environment = Environment::Uat;
pub(crate) const ISSUER: &str = "https://api.uat.truemarkets.co/v1/auth";
pub(crate) const LIFETIMES: SessionLifetimes = SessionLifetimes {
    idle: SignedDuration::from_hours(24 * 30),
    absolute: SignedDuration::from_hours(24 * 365),
    reuse_grace: SignedDuration::from_secs(90),
};

/// The time `seconds` after [`NOW`].
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

/// One nanosecond before `instant`.
pub(crate) fn just_before(instant: Timestamp) -> Timestamp {
    instant - SignedDuration::from_nanos(1)
}

pub(crate) fn address() -> IpAddr {
    "203.0.113.7".parse().unwrap()
}

pub(crate) fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

pub(crate) fn public(pair: &EcdsaKeyPair) -> PublicKey {
    PublicKey::from_sec1(pair.public_key().as_ref()).unwrap()
}

/// Signs `text` with ES256; returns r‖s.
pub(crate) fn sign(pair: &EcdsaKeyPair, text: &str) -> [u8; 64] {
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    signature.as_ref().try_into().unwrap()
}

pub(crate) fn account() -> Account {
    Account {
        uid: AccountId(uuid::Uuid::from_u128(0xa11ce)),
        organization_id: OrganizationId(uuid::Uuid::from_u128(0x0126)),
        email: Some("alice@example.com".into()),
        created_at: at(-1000),
        disabled_at: None,
        version: 7,
    }
}

/// An active key of [`account`] without expiry or restrictions.
pub(crate) fn key(pair: &EcdsaKeyPair) -> ApiKey {
    ApiKey {
        key_id: KeyId::generate(HERE, [0x5a; 16]),
        account: account(),
        label: "grid bot".into(),
        public_key: public(pair),
        scopes: Scopes::ALL,
        allowed_ips: Vec::new(),
        created_at: at(-500),
        expires_at: None,
        lifecycle: Lifecycle::Active {
            activated_at: at(-500),
        },
        version: 3,
    }
}

/// Makes a key pending, as if it had never been activated.
pub(crate) fn deactivate(key: &mut ApiKey) {
    key.lifecycle = Lifecycle::Pending {
        disabled_at: key.lifecycle.disabled_at(),
    };
}

/// Disables an active key a second before [`NOW`].
pub(crate) fn disable(key: &mut ApiKey) {
    key.lifecycle = Lifecycle::Disabled {
        activated_at: key.lifecycle.activated_at().unwrap(),
        disabled_at: at(-1),
    };
}

/// Revokes a key a second before [`NOW`].
pub(crate) fn revoke(key: &mut ApiKey) {
    key.lifecycle = Lifecycle::Revoked {
        revoked_at: at(-1),
        disabled_at: key.lifecycle.disabled_at(),
    };
}

/// A challenge of `key_id` at [`NOW`] with the given signature.
pub(crate) fn challenge(key_id: &str, signature: [u8; 64]) -> Challenge {
    let request = ApiKeyTokenRequest {
        key_id: key_id.into(),
        timestamp: NOW,
        signature: URL_SAFE_NO_PAD.encode(signature),
    };
    Challenge::parse(&request, HERE, SignedDuration::from_secs(30), at(0)).unwrap()
}

/// A challenge of `key_id` at [`NOW`] with a valid signature.
pub(crate) fn signed(pair: &EcdsaKeyPair, key_id: KeyId) -> Challenge {
    challenge(&key_id.to_string(), sign(pair, &format!("{key_id}.{NOW}")))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
