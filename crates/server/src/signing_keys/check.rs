//! Whether the configured key-encryption keys open the keys of a database.

use tm_auth_core::signing::{KeyEncryptionKey, StoredSigningKey};

use crate::Config;
use crate::signing_keys::key_ring::KeyRing;

/// Fails if a stored key cannot be unsealed, or if there are keys but none that signs.
pub fn all_unseal(config: &Config, stored: &[StoredSigningKey]) -> Result<(), String> {
    let keks = std::iter::once(&config.keys.kek).chain(&config.keys.previous_kek);
    let keks: Vec<_> = keks.map(|kek| KeyEncryptionKey::new(kek.expose())).collect();
    for key in stored {
        let unseals = |kek: &KeyEncryptionKey| {
            kek.unseal(&key.sealed, &key.kid, key.purpose, config.environment)
                .is_ok()
        };
        if !keks.iter().any(unseals) {
            return Err(format!(
                "the signing key {} does not open with `keys.kek` or `keys.previous_kek`: configure the key-encryption key that the database was written with",
                key.kid
            ));
        }
    }
    if stored.is_empty() {
        // The first start creates them.
        return Ok(());
    }
    KeyRing::unseal(stored, &keks, config.environment)
        .map(drop)
        .map_err(|error| error.to_string())
}
