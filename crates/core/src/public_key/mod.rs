//! P-256 public keys of API keys.

mod input;
mod known;
#[cfg(any(test, feature = "testing"))]
pub mod verifications;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tm_auth_proto::jwks::p256_thumbprint_text;

use crate::signature::Signature;

/// DER prefix of a SubjectPublicKeyInfo before an uncompressed P-256 point: id-ecPublicKey with the
/// named curve prime256v1 (RFC 5480 section 2.1.1). Keys with explicit curve parameters have
/// another prefix, so they are refused.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A point on P-256. It is parsed only once, because verification is on the hot path.
#[derive(Clone)]
pub struct PublicKey {
    point: [u8; 65],
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Parses a SEC1 point, compressed (33 bytes) or uncompressed (65 bytes). `None` if it is not
    /// on the curve. The point at infinity has another length.
    pub fn from_sec1(point: &[u8]) -> Option<Self> {
        if !matches!((point.len(), point.first()), (65, Some(4)) | (33, Some(2 | 3))) {
            return None;
        }
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
        let spki = parsed.as_der().ok()?;
        let point = spki.as_ref().strip_prefix(&SPKI_PREFIX)?.try_into().ok()?;
        // Parsed again from the uncompressed point, so that a compressed key verifies as fast.
        Some(Self {
            point,
            parsed: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_slice()).ok()?,
        })
    }

    /// The uncompressed SEC1 point, as stored in the database.
    pub fn as_sec1(&self) -> &[u8; 65] {
        &self.point
    }

    /// Whether `signature` is a valid ECDSA signature with SHA-256 by this key over `message`.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        #[cfg(any(test, feature = "testing"))]
        verifications::count();
        self.parsed.verify_sig(message, signature.as_bytes()).is_ok()
    }

    /// RFC 7638 thumbprint, base64url, as shown on pages, on the command line and in the key file.
    pub fn fingerprint(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(&self.point[1..33]);
        let y = URL_SAFE_NO_PAD.encode(&self.point[33..]);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, p256_thumbprint_text(&x, &y).as_bytes()))
    }

    /// Whether the private key is public: from a standard, an example or a test vector.
    pub fn is_known(&self) -> bool {
        known::contains(&self.point[1..33])
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests;
