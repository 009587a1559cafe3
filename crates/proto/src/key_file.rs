//! The key file: what the API Keys page and `tm-auth key new` hand to the user. It holds the private key.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::KeyId;

/// An API key with its private half. `Debug` never shows the private key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyFile {
    /// The id the service gave the key; absent while it is not registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// The name its owner gave it.
    #[serde(default)]
    pub label: String,
    /// Always `ES256`.
    #[serde(default = "es256")]
    pub algorithm: String,
    /// The RFC 7638 thumbprint of the public key, base64url.
    #[serde(default)]
    pub fingerprint: String,
    /// When the key was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The key pair.
    pub private_key: PrivateJwk,
}

fn es256() -> String {
    "ES256".to_owned()
}

impl KeyFile {
    /// The file's name: `truemarkets-api-key-<first 8 of key_id>.json`.
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
    /// The public point.
    pub x: String,
    /// The public point.
    pub y: String,
    /// The private number.
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
