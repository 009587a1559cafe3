//! MAC keys of refresh tokens. They are in no JWKS, so no resource server can mistake a refresh token for one
//! of its own.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tm_auth_proto::{Environment, compact};

use super::key::KeyError;

/// A 256-bit HMAC-SHA-256 key. `Debug` shows the key id only.
pub struct MacKey {
    kid: String,
    key: hmac::Key,
}

impl MacKey {
    /// RFC 7518 section 3.2.
    pub const ALG: &str = "HS256";

    /// The name of the key with these bytes: a hash tells nothing of 256 random bits.
    pub fn kid_of(secret: &[u8; 32], environment: Environment) -> String {
        let hash = digest(&SHA256, &[b"tm-auth mac kid\0".as_slice(), secret].concat());
        format!(
            "{environment}-mac-{}",
            URL_SAFE_NO_PAD.encode(&hash.as_ref()[..9])
        )
    }

    /// From a name and the key's bytes, as they are sealed.
    pub fn new(kid: String, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() != 32 {
            return Err(KeyError);
        }
        Ok(Self {
            kid,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        })
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Makes a compact JWS.
    pub fn sign_jws(&self, typ: &str, payload: &[u8]) -> String {
        let input = compact::signing_input(Self::ALG, typ, &self.kid, payload);
        let tag = hmac::sign(&self.key, input.as_bytes());
        compact::finish(input, tag.as_ref())
    }

    /// Compares in constant time.
    pub fn verifies(&self, input: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.key, input, tag).is_ok()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacKey({})", self.kid)
    }
}
