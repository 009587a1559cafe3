//! API keys, and the verification of their challenges.

pub mod address;
pub mod reminder;
pub mod setting;

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
    /// When the key expires, if ever.
    pub expires_at: Option<Timestamp>,
    /// What happened to the key since its registration.
    pub lifecycle: Lifecycle,
    /// Increases with each change of the row. A write that relies on a copy of the row can check
    /// that the copy is current.
    pub version: i64,
}

/// Lifecycle of an API key. Its expiry is not part of it: a key of each state can expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The owner has not activated the key yet.
    Pending {
        /// When the owner disabled the key, if it will be disabled once it is activated.
        disabled_at: Option<Timestamp>,
    },
    /// The key is activated.
    Active {
        /// When the key was activated.
        activated_at: Timestamp,
    },
    /// The key is activated, but the owner disabled it. The owner can enable it again.
    Disabled {
        /// When the key was activated.
        activated_at: Timestamp,
        /// When the owner disabled the key.
        disabled_at: Timestamp,
    },
    /// The owner or an operator revoked the key. This is final.
    Revoked {
        /// When the key was revoked.
        revoked_at: Timestamp,
        /// When the owner had disabled the key, if it was disabled when it was revoked.
        disabled_at: Option<Timestamp>,
    },
}

impl Lifecycle {
    /// When the key was activated; `None` for a pending or revoked key.
    pub fn activated_at(&self) -> Option<Timestamp> {
        match *self {
            Self::Active { activated_at } | Self::Disabled { activated_at, .. } => Some(activated_at),
            Self::Pending { .. } | Self::Revoked { .. } => None,
        }
    }

    /// When the owner disabled the key; `None` if it is not disabled.
    pub fn disabled_at(&self) -> Option<Timestamp> {
        match *self {
            Self::Disabled { disabled_at, .. } => Some(disabled_at),
            Self::Pending { disabled_at } | Self::Revoked { disabled_at, .. } => disabled_at,
            Self::Active { .. } => None,
        }
    }

    /// When the key was revoked; `None` if it is not revoked.
    pub fn revoked_at(&self) -> Option<Timestamp> {
        match *self {
            Self::Revoked { revoked_at, .. } => Some(revoked_at),
            Self::Pending { .. } | Self::Active { .. } | Self::Disabled { .. } => None,
        }
    }
}

impl ApiKey {
    /// Status at `now`. If several apply, the most final one.
    pub fn status(&self, now: Timestamp) -> ApiKeyStatus {
        let expired = self.expires_at.is_some_and(|end| end <= now);
        match self.lifecycle {
            Lifecycle::Revoked { .. } => ApiKeyStatus::Revoked,
            _ if expired => ApiKeyStatus::Expired,
            Lifecycle::Pending { .. } => ApiKeyStatus::Pending,
            Lifecycle::Disabled { .. } => ApiKeyStatus::Disabled,
            Lifecycle::Active { .. } => ApiKeyStatus::Active,
        }
    }

    /// Checks that the key may be used at `now` from `address`, for a mint or a refresh.
    pub fn check_usable(&self, address: IpAddr, now: Timestamp) -> Result<(), Refusal> {
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
    pub fn verify_challenge(
        self: &Arc<Self>,
        challenge: Challenge,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<AuthenticatedKey, Refusal> {
        if challenge.key_id() != self.key_id
            || !self.public_key.verifies(challenge.text(), challenge.signature())
        {
            return Err(Refusal::InvalidCredentials);
        }
        self.check_usable(address, now)?;
        Ok(AuthenticatedKey {
            key: Arc::clone(self),
            challenge,
        })
    }
}

/// A key that verified a challenge and may be used. Only [`ApiKey::verify_challenge`] creates one,
/// and [`crate::session::open`] requires one, so minting without verification does not compile.
#[derive(Debug)]
pub struct AuthenticatedKey {
    key: Arc<ApiKey>,
    challenge: Challenge,
}

impl AuthenticatedKey {
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
pub fn verify_dummy(challenge: &Challenge) {
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
