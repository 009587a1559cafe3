//! A credential's public key: what is kept of it, and what its signatures are checked with.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{COSEAlgorithm, COSEKey, COSEKeyType, ECDSACurve};

/// As a JWK (RFC 7517): read by people and other programs alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub(super) enum PublicKey {
    /// ES256.
    #[serde(rename = "EC")]
    Es256 { crv: P256, x: String, y: String },
    /// RS256.
    #[serde(rename = "RSA")]
    Rs256 { n: String, e: String },
}

/// The only curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum P256 {
    #[serde(rename = "P-256")]
    P256,
}

/// What is offered to authenticators: COSE's numbers for ES256 and RS256. Nothing else is accepted.
pub(super) const OFFERED: [i64; 2] = [-7, -257];

impl PublicKey {
    /// Of the key that the library read, if it is of an offered algorithm and fits it.
    pub(super) fn offered(key: &COSEKey) -> Option<Self> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match (key.type_, &key.key) {
            (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(point)) if point.curve == ECDSACurve::SECP256R1 => {
                Some(Self::Es256 {
                    crv: P256::P256,
                    x: text(&point.x),
                    y: text(&point.y),
                })
            }
            (COSEAlgorithm::RS256, COSEKeyType::RSA(numbers)) => Some(Self::Rs256 {
                n: text(&numbers.n),
                e: text(&numbers.e),
            }),
            _ => None,
        }
    }

    /// A key of nobody (P-256's base point), for the verification of what claims to be signed by an unknown
    /// credential: that takes as long as any other.
    pub(super) fn of_nobody() -> Self {
        Self::Es256 {
            crv: P256::P256,
            x: "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY".to_owned(),
            y: "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU".to_owned(),
        }
    }

    /// Whether the signature holds.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        match self {
            Self::Es256 { x, y, .. } => {
                // SEC1, uncompressed.
                let point = [vec![4], bytes(x), bytes(y)].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Rs256 { n, e } => RsaPublicKeyComponents {
                n: bytes(n),
                e: bytes(e),
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
        }
        .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    };

    use super::*;

    fn read_back(key: &PublicKey) -> PublicKey {
        serde_json::from_str(&serde_json::to_string(key).unwrap()).unwrap()
    }

    #[test]
    fn g09_signatures_of_both_algorithms_hold_under_their_own_key_alone() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let es256 = PublicKey::Es256 {
            crv: P256::P256,
            x: text(&point[1..33]),
            y: text(&point[33..]),
        };
        let es256_signature = pair.sign(&SystemRandom::new(), b"text").unwrap();

        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let numbers = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let rs256 = PublicKey::Rs256 {
            n: text(&numbers.n),
            e: text(&numbers.e),
        };
        let mut rs256_signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            b"text",
            &mut rs256_signature,
        )
        .unwrap();

        for (key, own, other) in [
            (&es256, es256_signature.as_ref(), &rs256_signature[..]),
            (&rs256, &rs256_signature[..], es256_signature.as_ref()),
        ] {
            let key = read_back(key);
            assert!(key.verifies(b"text", own));
            for (message, signature) in [(&b"text"[..], other), (b"next", own), (b"text", b"")] {
                assert!(!key.verifies(message, signature));
            }
        }
        let nobody = read_back(&PublicKey::of_nobody());
        assert!(!nobody.verifies(b"text", es256_signature.as_ref()));
    }
}
