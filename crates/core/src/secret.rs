//! Secrets that the service hands out, and the form in which they are stored: two types, so that only the
//! hash can reach a database.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::ZeroizeOnDrop;

/// The 128 random bits that every refresh token of a session carries. `Debug` shows nothing.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SessionSecret([u8; 16]);

/// SHA-256 of a [`SessionSecret`]: enough to recognise it, useless to present. 128 random bits need no
/// slow hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl SessionSecret {
    /// Takes 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The form in which it is stored.
    pub fn hash(&self) -> SecretHash {
        SecretHash(
            digest(&SHA256, &self.0)
                .as_ref()
                .try_into()
                .expect("SHA-256 has 32 bytes"),
        )
    }

    /// As the refresh token carries it.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Back from [`SessionSecret::encode`].
    pub fn decode(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret { .. }")
    }
}

impl SecretHash {
    /// Whether `secret` is the one, compared in constant time.
    pub fn matches(&self, secret: &SessionSecret) -> bool {
        verify_slices_are_equal(&self.0, &secret.hash().0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e13_a_secret_is_recognised_by_its_hash_and_never_shown() {
        let secret = SessionSecret::new([7; 16]);
        assert!(secret.hash().matches(&secret));
        assert!(!secret.hash().matches(&SessionSecret::new([8; 16])));
        assert_eq!(format!("{secret:?}"), "SessionSecret { .. }");
        assert!(
            secret
                .hash()
                .matches(&SessionSecret::decode(&secret.encode()).unwrap())
        );
        assert!(SessionSecret::decode("AA").is_none() && SessionSecret::decode("~").is_none());
        assert_ne!(secret.hash().0[..16], secret.0);
    }
}
