//! The service's own keys: signing keys for access tokens, MAC keys for refresh tokens; how they are sealed
//! for the database, and when each begins and ends.

mod key;
pub mod lifecycle;
mod mac;
mod seal;

pub use key::SigningKey;
pub use lifecycle::{KeyState, Purpose, StoredKey};
pub use mac::MacKey;
pub use seal::{KeyEncryptionKey, Sealed, UnsealError};

use serde::{Deserialize, Serialize};

/// The algorithm of access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSA-2048 with SHA-256: the documented form, and the cheap one for the system as a whole, since a
    /// token is minted once and verified on every call.
    RS256,
    /// ECDSA P-256 with SHA-256: cheap to mint.
    ES256,
    /// Ed25519: cheaper still to mint.
    EdDSA,
}

impl Algorithm {
    /// As in headers, JWKs and configuration (RFC 7518, RFC 8037).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Back from [`Algorithm::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::RS256, Self::ES256, Self::EdDSA]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }
}

#[cfg(test)]
mod tests;
