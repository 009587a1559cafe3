//! The service's own keys: signing keys of access tokens, MAC keys of refresh tokens, their sealing
//! for the database, and their rotation.

mod key;
pub mod lifecycle;
mod mac;
mod seal;

pub use key::SigningKey;
pub use lifecycle::{KeyState, Purpose, StoredSigningKey};
pub use mac::MacKey;
pub use seal::{KeyEncryptionKey, Sealed, UnsealError};

use serde::{Deserialize, Serialize};

/// Signature algorithm of access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA-2048 with SHA-256: the default. Fast to verify, and a token is signed once but verified
    /// on each call.
    RS256,
    /// ECDSA P-256 with SHA-256: faster to sign than RSA.
    ES256,
    /// Ed25519: faster to sign than ECDSA.
    EdDSA,
}

impl Algorithm {
    /// Name in headers, JWKs and configuration (RFC 7518, RFC 8037).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Parses the result of [`Algorithm::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::RS256, Self::ES256, Self::EdDSA]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }
}

#[cfg(test)]
mod tests;
