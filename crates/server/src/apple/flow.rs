//! A flow under way: one secret in the browser's cookie, from which all else is derived.
//!
//! 1. The cookie carries 256 random bits. The database has only their hash, as the key of the
//!    flow's row.
//! 2. `state`, `nonce` and the PKCE verifier are MACs under that secret, each with its own label.
//!    This binds Apple's answer, the ID token and the code to the browser with the cookie. An
//!    attacker with a copy of the database cannot compute them.
//! 3. The first answer takes the row.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tm_auth_proto::{AccountId, SessionId};

/// The `kind` of the flow's row among the ceremonies.
pub(super) const KIND: &str = "apple";
/// How long the user may take at Apple.
pub(super) const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The secret of a flow.
pub(super) struct Flow([u8; 32]);

impl Flow {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The reverse of [`Flow::cookie`].
    pub(super) fn from_cookie(value: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok().map(Self)
    }

    /// The cookie's value.
    pub(super) fn cookie(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The key of its row.
    pub(super) fn id_hash(&self) -> [u8; 32] {
        sha256(&self.0)
    }

    /// RFC 6749 section 10.12: binds Apple's answer to this browser.
    pub(super) fn state(&self) -> String {
        self.derive("state")
    }

    /// Whether an answer's `state` is this flow's.
    pub(super) fn is_state(&self, presented: &str) -> bool {
        verify_slices_are_equal(self.state().as_bytes(), presented.as_bytes()).is_ok()
    }

    /// OpenID Connect Core section 3.1.2.1: binds the ID token to this flow.
    pub(super) fn nonce(&self) -> String {
        self.derive("nonce")
    }

    /// RFC 7636: proves to the token endpoint that this flow asked for the code.
    pub(super) fn verifier(&self) -> String {
        self.derive("verifier")
    }

    /// RFC 7636 section 4.2, S256.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier().as_bytes()))
    }

    fn derive(&self, what: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mac = hmac::sign(&key, format!("tm-auth apple {what} v1").as_bytes());
        URL_SAFE_NO_PAD.encode(mac)
    }
}

/// The purpose of a flow, as its row stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Purpose {
    /// The browser's page afterwards: a path of this site.
    pub(super) next: String,
    /// Whether to link the identity to the account of `session` instead of logging in.
    pub(super) link: bool,
    /// The browser's session at the start. Its cookie does not come along with a post from another
    /// site.
    pub(super) session: Option<(AccountId, SessionId)>,
}

impl Purpose {
    /// The account to link the identity to.
    pub(super) fn linking(&self) -> Option<AccountId> {
        self.session.filter(|_| self.link).map(|(uid, _)| uid)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g26_everything_follows_from_one_cookie_and_from_no_other() {
        let flow = Flow::new([7; 32]);
        let again = Flow::from_cookie(&flow.cookie()).unwrap();
        assert!(flow.is_state(&again.state()));
        assert_eq!(flow.nonce(), again.nonce());
        assert_eq!(flow.id_hash(), again.id_hash());
        let other = Flow::new([8; 32]);
        assert!(!flow.is_state(&other.state()));
        assert!(!flow.is_state("") && !flow.is_state(&flow.nonce()));
        let told = [
            flow.cookie(),
            flow.state(),
            flow.nonce(),
            flow.verifier(),
            flow.challenge(),
        ];
        for (i, one) in told.iter().enumerate() {
            assert!(!told[..i].contains(one), "no two are equal");
            // RFC 7636 section 4.1: at least 43 characters.
            assert_eq!(one.len(), 43);
        }
        for wrong in ["", "AAAA", "not base64!", &format!("{}A", flow.cookie())] {
            assert!(Flow::from_cookie(wrong).is_none(), "{wrong}");
        }
    }
}
