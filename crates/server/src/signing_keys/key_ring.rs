//! The service's unsealed keys: the key that signs access tokens, the JWKS, and the MAC keys of
//! refresh tokens.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tm_auth_core::signing::{
    KeyEncryptionKey, KeyState, MacKey, Purpose, SigningKey, StoredSigningKey, UnsealError,
};
use tm_auth_proto::{Environment, JwkSet};
use tm_auth_verifier::KeySet;

use crate::http::caching::etag;

/// A consistent set of keys. It is replaced, never changed.
pub struct KeyRing {
    signing: Arc<SigningKey>,
    mac: Arc<MacKey>,
    macs: HashMap<String, Arc<MacKey>>,
    verification: KeySet,
    jwks: Bytes,
    etag: String,
}

/// Why there is no usable set.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyRingError {
    /// The set has no signing key for this purpose that could be unsealed.
    #[error("no usable {} key: {}", .0.as_str(), .1)]
    Missing(Purpose, &'static str),
}

impl KeyRing {
    /// Unseals the stored keys. Leaves out a key that cannot be unsealed, so that only keys that
    /// were sealed under a key-encryption key are published or used.
    pub fn unseal(
        stored: &[StoredSigningKey],
        keks: &[KeyEncryptionKey],
        environment: Environment,
    ) -> Result<Self, KeyRingError> {
        let (mut signing, mut mac, mut macs) = (None, None, HashMap::new());
        let mut published = Vec::new();
        for key in stored {
            let Some(secret) = unseal_one(key, keks, environment) else {
                continue;
            };
            let signs = key.state() == KeyState::Signing;
            match (key.purpose, key.algorithm) {
                (Purpose::AccessToken, Some(algorithm)) => {
                    let Ok(pair) = SigningKey::from_pkcs8(key.kid.clone(), algorithm, &secret) else {
                        continue;
                    };
                    let pair = Arc::new(pair);
                    published.push((!signs, pair.jwk()));
                    signing = if signs { Some(pair) } else { signing };
                }
                (Purpose::RefreshToken, _) => {
                    let Ok(key) = MacKey::new(key.kid.clone(), &secret) else {
                        continue;
                    };
                    let key = Arc::new(key);
                    mac = if signs { Some(Arc::clone(&key)) } else { mac };
                    macs.insert(key.kid().to_owned(), key);
                }
                (Purpose::AccessToken, None) => {}
            }
        }
        // The signing key comes first, for humans who read the JWKS.
        published.sort_by_key(|(next_key, _)| *next_key);
        let set = JwkSet {
            keys: published.into_iter().map(|(_, jwk)| jwk).collect(),
        };
        let jwks = Bytes::from(serde_json::to_vec(&set).expect("a key set is plain JSON"));
        let missing = |purpose| KeyRingError::Missing(purpose, "is the key-encryption key the right one?");
        Ok(Self {
            signing: signing.ok_or_else(|| missing(Purpose::AccessToken))?,
            mac: mac.ok_or_else(|| missing(Purpose::RefreshToken))?,
            macs,
            verification: KeySet::from_jwks(&set),
            etag: etag(&jwks),
            jwks,
        })
    }

    /// The key that signs access tokens.
    pub fn signing(&self) -> &Arc<SigningKey> {
        &self.signing
    }

    /// The MAC key of new refresh tokens.
    pub fn mac(&self) -> &Arc<MacKey> {
        &self.mac
    }

    /// The MAC key with this `kid`, for a presented refresh token.
    pub fn mac_by_kid(&self, kid: &str) -> Option<&Arc<MacKey>> {
        self.macs.get(kid)
    }

    /// The public keys that verify this service's access tokens.
    pub fn verification(&self) -> &KeySet {
        &self.verification
    }

    /// The JWKS as JSON, and its ETag.
    pub fn jwks(&self) -> (&Bytes, &str) {
        (&self.jwks, &self.etag)
    }
}

fn unseal_one(
    key: &StoredSigningKey,
    keks: &[KeyEncryptionKey],
    environment: Environment,
) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let mut reason = UnsealError::OtherKey;
    for kek in keks {
        match kek.unseal(&key.sealed, &key.kid, key.purpose, environment) {
            Ok(secret) => return Some(secret),
            Err(UnsealError::OtherKey) => {}
            Err(error) => reason = error,
        }
    }
    tracing::error!(kid = key.kid, error = %reason, "a key of the database is not used");
    None
}
