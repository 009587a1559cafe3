//! API keys, and the proof that a challenge comes from one.

pub mod address;
pub mod reminder;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{KeyId, Scopes};

use crate::{Account, Challenge, PublicKey, Refusal};

/// A registered key with its account, as the database had it when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub key_id: KeyId,
    /// Its owner.
    pub account: Account,
    /// The name its owner gave it.
    pub label: String,
    /// What verifies its signatures.
    pub public_key: PublicKey,
    /// What its tokens may do.
    pub scopes: Scopes,
    /// Where it may be used from; empty means anywhere.
    pub allowed_ips: Vec<IpNet>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When its owner confirmed it; until then it mints nothing.
    pub activated_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Since when its owner has it disabled.
    pub disabled_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Counts every change of the row, so that a decision made on a copy can be checked against it.
    pub version: i64,
}

impl ApiKey {
    /// Whether it can mint at `now`.
    pub fn status(&self, now: Timestamp) -> ApiKeyStatus {
        if self.revoked_at.is_some() {
            ApiKeyStatus::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            ApiKeyStatus::Expired
        } else if self.activated_at.is_none() {
            ApiKeyStatus::Pending
        } else if self.disabled_at.is_some() {
            ApiKeyStatus::Disabled
        } else {
            ApiKeyStatus::Active
        }
    }

    /// Whether the key may be used at `now` from `address`: the same rules for a mint and for a refresh.
    pub fn permit(&self, address: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        match self.status(now) {
            ApiKeyStatus::Revoked => return Err(Refusal::KeyRevoked),
            ApiKeyStatus::Expired => return Err(Refusal::KeyExpired),
            ApiKeyStatus::Pending => return Err(Refusal::KeyPending),
            ApiKeyStatus::Disabled => return Err(Refusal::KeyDisabled),
            ApiKeyStatus::Active => {}
        }
        if self.account.disabled_at.is_some() {
            return Err(Refusal::AccountDisabled);
        }
        if !address::allows(&self.allowed_ips, address) {
            return Err(Refusal::IpNotAllowed { seen: address });
        }
        Ok(())
    }

    /// Checks a challenge against this key. The signature first: whoever cannot sign learns nothing about
    /// the key, not even that it exists.
    pub fn prove(
        self: &Arc<Self>,
        challenge: Challenge,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<ProvenKey, Refusal> {
        if challenge.key_id() != self.key_id
            || !self.public_key.verifies(challenge.text(), challenge.signature())
        {
            return Err(Refusal::InvalidCredentials);
        }
        self.permit(address, now)?;
        Ok(ProvenKey {
            key: Arc::clone(self),
            challenge,
        })
    }
}

/// Somebody holds this key's private half and may use it now. Only [`ApiKey::prove`] makes one, and
/// [`crate::session::open`] demands one: minting without proof does not compile.
#[derive(Debug)]
pub struct ProvenKey {
    key: Arc<ApiKey>,
    challenge: Challenge,
}

impl ProvenKey {
    /// The key.
    pub fn key(&self) -> &Arc<ApiKey> {
        &self.key
    }

    /// What was signed.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }
}

/// Verifies the challenge with a key that nobody holds, for its cost alone: an unknown key id must take as
/// long to refuse as a wrong signature.
pub fn verify_in_vain(challenge: &Challenge) {
    use std::sync::LazyLock;
    /// The P-256 generator, a valid point like any other.
    static NOBODY: LazyLock<PublicKey> = LazyLock::new(|| {
        let generator = [
            0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
            0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
            0x96,
        ];
        PublicKey::from_sec1(&generator).expect("the generator is on the curve")
    });
    std::hint::black_box(NOBODY.verifies(challenge.text(), challenge.signature()));
}

#[cfg(test)]
mod tests;
