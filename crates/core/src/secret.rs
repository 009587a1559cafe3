//! Secrets that the service issues, and their hashes. They have different types, so that only the
//! hash can reach a database.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::ZeroizeOnDrop;

/// A secret of `N` random bytes. `Debug` does not show them.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

/// Secret of a session: 128 random bits, part of its refresh tokens or its cookie.
pub type SessionSecret = Secret<16>;

/// Secret of a login flow: 256 random bits, part of an e-mailed link or of the cookie of the
/// browser that requested it.
pub type FlowSecret = Secret<32>;

/// SHA-256 of a [`Secret`]. A password hash is unnecessary: 128 random bits cannot be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl<const N: usize> Secret<N> {
    /// Wraps random bytes.
    pub fn new(random: [u8; N]) -> Self {
        Self(random)
    }

    /// The hash to store.
    pub fn hash(&self) -> SecretHash {
        SecretHash(
            digest(&SHA256, &self.0)
                .as_ref()
                .try_into()
                .expect("a SHA-256 digest has 32 bytes"),
        )
    }

    /// Encodes the secret for tokens, links and cookies: base64url without padding.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Decodes the result of [`Secret::encode`]; `None` for any other text.
    pub fn decode(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret { .. }")
    }
}

impl SecretHash {
    /// Whether this is the hash of `secret`. Compares in constant time.
    pub fn matches<const N: usize>(&self, secret: &Secret<N>) -> bool {
        verify_slices_are_equal(&self.0, &secret.hash().0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e13_a_secret_matches_its_hash_and_debug_does_not_show_it() {
        let secret = SessionSecret::new([7; 16]);
        assert!(secret.hash().matches(&secret));
        assert!(!secret.hash().matches(&SessionSecret::new([8; 16])));
        assert_eq!(format!("{secret:?}"), "Secret { .. }");
        assert!(
            secret
                .hash()
                .matches(&SessionSecret::decode(&secret.encode()).unwrap())
        );
        assert!(SessionSecret::decode("AA").is_none() && SessionSecret::decode("~").is_none());
        assert_ne!(secret.hash().0[..16], secret.0);
        let link = FlowSecret::new([7; 32]);
        assert!(link.hash().matches(&FlowSecret::decode(&link.encode()).unwrap()));
        assert!(!link.hash().matches(&secret) && FlowSecret::decode(&secret.encode()).is_none());
    }
}
