//! API keys, and the verification of their challenges.

pub mod address;
pub mod reminder;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{KeyId, Scopes};

use crate::{Account, Challenge, PublicKey, Refusal};

/// A registered key and its account, as read from the database. May be a cached copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Primary key.
    pub key_id: KeyId,
    /// Owner of the key.
    pub account: Account,
    /// Name that the owner gave the key.
    pub label: String,
    /// Public key, which verifies the key's signatures.
    pub public_key: PublicKey,
    /// Scopes of the key's tokens.
    pub scopes: Scopes,
    /// Networks from which the key may be used; empty means any.
    pub allowed_ips: Vec<IpNet>,
    /// When the key was registered.
    pub created_at: Timestamp,
    /// When the key was activated; `None` while it is pending.
    pub activated_at: Option<Timestamp>,
    /// When the key expires, if ever.
    pub expires_at: Option<Timestamp>,
    /// When the owner disabled the key, if it is disabled.
    pub disabled_at: Option<Timestamp>,
    /// When the key was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Increases with each change of the row. A write that relies on a copy of the row can check
    /// that the copy is current.
    pub version: i64,
}

impl ApiKey {
    /// Status at `now`. If several apply, the most final one.
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

    /// Checks that the key may be used at `now` from `address`, for a mint or a refresh.
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

    /// Verifies a challenge by this key: first the signature, then that the key may be used. A
    /// caller who cannot sign thus learns nothing about the key, not even that it exists.
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

/// A key that verified a challenge and may be used. Only [`ApiKey::prove`] creates one, and
/// [`crate::session::open`] requires one, so minting without verification does not compile.
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

    /// The challenge that the key signed.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }
}

/// Verifies the challenge with a dummy key and ignores the result. Refusing an unknown key id must
/// take as long as refusing a wrong signature.
pub fn verify_in_vain(challenge: &Challenge) {
    use std::sync::LazyLock;
    /// The generator of P-256, which is a valid public key.
    static DUMMY: LazyLock<PublicKey> = LazyLock::new(|| {
        let generator = [
            0x03, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
            0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
            0x96,
        ];
        PublicKey::from_sec1(&generator).expect("the generator is on the curve")
    });
    std::hint::black_box(DUMMY.verifies(challenge.text(), challenge.signature()));
}

#[cfg(test)]
mod tests;
