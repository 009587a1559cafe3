//! Secrets that the service hands out, and the form in which they are stored: two types, so that only the
//! hash can reach a database.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::ZeroizeOnDrop;

/// `N` random bytes that only their holder has. `Debug` shows nothing.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

/// The 128 random bits that every refresh token of a session carries, and the cookie of a browser's.
pub type SessionSecret = Secret<16>;

/// 256 random bits: the token of a link, or what the cookie of the browser carries that asked for it.
pub type FlowSecret = Secret<32>;

/// SHA-256 of a [`Secret`]: enough to recognise it, useless to present. So many random bits need no slow hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl<const N: usize> Secret<N> {
    /// Takes random bytes.
    pub fn new(random: [u8; N]) -> Self {
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

    /// As tokens, links and cookies carry it.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Back from [`Secret::encode`].
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
    /// Whether `secret` is the one, compared in constant time.
    pub fn matches<const N: usize>(&self, secret: &Secret<N>) -> bool {
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
