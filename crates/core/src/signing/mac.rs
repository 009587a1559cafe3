//! MAC keys of refresh tokens. They are not in the JWKS, so resource servers cannot accept a
//! refresh token as an access token.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tm_auth_proto::{Environment, compact};

use super::key::KeyError;

/// A 256-bit key for HMAC-SHA-256. `Debug` shows only the key id.
pub struct MacKey {
    kid: String,
    key: hmac::Key,
}

impl MacKey {
    /// HMAC with SHA-256 (RFC 7518 section 3.2).
    pub const ALG: &str = "HS256";

    /// Derives the key id from the key's bytes. The hash reveals nothing about 256 random bits.
    pub fn kid_of(secret: &[u8; 32], environment: Environment) -> String {
        let hash = digest(&SHA256, &[b"tm-auth mac kid\0".as_slice(), secret].concat());
        format!(
            "{environment}-mac-{}",
            URL_SAFE_NO_PAD.encode(&hash.as_ref()[..9])
        )
    }

    /// Creates a key from its id and its 32 bytes.
    pub fn new(kid: String, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() != 32 {
            return Err(KeyError);
        }
        Ok(Self {
            kid,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        })
    }

    /// The key id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Builds a compact JWS with the payload and its MAC.
    pub fn sign_jws(&self, typ: &str, payload: &[u8]) -> String {
        let input = compact::signing_input(Self::ALG, typ, &self.kid, payload);
        let tag = hmac::sign(&self.key, input.as_bytes());
        compact::finish(input, tag.as_ref())
    }

    /// Whether `tag` is the MAC of `input`. Compares in constant time.
    pub fn verifies(&self, input: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.key, input, tag).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacKey({})", self.kid)
    }
}
