//! The key file, which the API Keys page and `tm-auth key new` give to the user. It contains the
//! private key.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::KeyId;

/// An API key with its private key. `Debug` does not show the private key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyFile {
    /// Id that the service gave the key; absent until the key is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Name that the owner gave the key.
    #[serde(default)]
    pub label: String,
    /// Always `ES256`.
    #[serde(default = "es256")]
    pub algorithm: String,
    /// RFC 7638 thumbprint of the public key, base64url without padding.
    #[serde(default)]
    pub fingerprint: String,
    /// When the key pair was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Key pair; despite the name it includes the public key.
    pub private_key: PrivateJwk,
}

fn es256() -> String {
    "ES256".to_owned()
}

impl KeyFile {
    /// Name of the file: `truemarkets-api-key-<first 8 of key_id>.json`.
    pub fn name(key_id: KeyId) -> String {
        format!("truemarkets-api-key-{}.json", key_id.short())
    }
}

/// An EC P-256 key pair as a JWK (RFC 7518 section 6.2). The numbers are base64url without padding.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct PrivateJwk {
    /// Always `EC`.
    pub kty: String,
    /// Always `P-256`.
    pub crv: String,
    /// The x coordinate of the public point.
    pub x: String,
    /// The y coordinate of the public point.
    pub y: String,
    /// Private key.
    pub d: String,
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateJwk { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_private_key() {
        let file: KeyFile = serde_json::from_str(
            r#"{"key_id":"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e","private_key":{"kty":"EC","crv":"P-256","x":"X","y":"Y","d":"SECRET"}}"#,
        )
        .unwrap();
        assert!(!format!("{file:?}").contains("SECRET"));
        assert_eq!(
            KeyFile::name(file.key_id.unwrap()),
            "truemarkets-api-key-b1f0c2d4.json"
        );
        assert_eq!(file.algorithm, "ES256");
    }
}
