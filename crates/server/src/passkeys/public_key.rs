//! The public key of a passkey: read from COSE, stored as a JWK.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::cbor::{self, Item};

/// The public key of a passkey. It is stored as a JWK (RFC 7517), so that other programs can read
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub(super) enum PublicKey {
    /// A key for ES256, with its coordinates in base64url.
    #[serde(rename = "EC")]
    Es256 { crv: P256, x: String, y: String },
    /// A key for RS256, with modulus and exponent in base64url.
    #[serde(rename = "RSA")]
    Rs256 { n: String, e: String },
}

/// The member `crv` of an ES256 key. No other curve is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum P256 {
    #[serde(rename = "P-256")]
    P256,
}

// From the IANA registry "COSE Algorithms".
const ES256: i64 = -7;
const RS256: i64 = -257;

/// The algorithms that authenticators may choose from, the preferred one first. No other is
/// accepted.
pub(super) const OFFERED: [i64; 2] = [ES256, RS256];

impl PublicKey {
    /// Reads a COSE_Key (RFC 9052 section 7). Returns `None` if it is malformed, if its algorithm
    /// was not offered, or if it is not a valid key for its algorithm.
    pub(super) fn from_cose(bytes: &[u8]) -> Option<Self> {
        // RFC 9052 section 7.1, RFC 9053 section 7.1.1, RFC 8230 section 4.
        const KTY: i64 = 1;
        const ALG: i64 = 3;
        const EC2: i64 = 2;
        const EC2_P256: i64 = 1;
        const RSA: i64 = 3;
        let parameters = cbor::map(bytes)?;
        let integer = |label| match parameters.get(&Item::Integer(label)) {
            Some(&Item::Integer(value)) => Some(value),
            _ => None,
        };
        let bytes = |label| match parameters.get(&Item::Integer(label)) {
            Some(&Item::Bytes(value)) => Some(value),
            _ => None,
        };
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key = match (integer(KTY)?, integer(ALG)?) {
            (EC2, ES256) if integer(-1) == Some(EC2_P256) => {
                let (x, y) = (bytes(-2)?, bytes(-3)?);
                (x.len() == 32 && y.len() == 32).then(|| Self::Es256 {
                    crv: P256::P256,
                    x: text(x),
                    y: text(y),
                })
            }
            (RSA, RS256) => {
                let (n, e) = (bytes(-1)?, bytes(-2)?);
                is_rsa_2048(n, e).then(|| Self::Rs256 {
                    n: text(n),
                    e: text(e),
                })
            }
            _ => None,
        }?;
        // `parse` refuses a point that is not on the curve.
        key.parse().map(|_| key)
    }

    /// The number of the algorithm in the registry "COSE Algorithms".
    pub(super) fn algorithm(&self) -> i64 {
        match self {
            Self::Es256 { .. } => ES256,
            Self::Rs256 { .. } => RS256,
        }
    }

    /// The key with which an assertion of an unknown credential is verified, so that it takes as
    /// long as one of a known credential. It is the base point of P-256.
    pub(super) fn dummy() -> Self {
        Self::Es256 {
            crv: P256::P256,
            x: "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY".to_owned(),
            y: "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU".to_owned(),
        }
    }

    /// Whether the signature over `message` verifies with this key. ECDSA signatures are in ASN.1
    /// (WebAuthn section 6.5.5).
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parse()
            .is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn parse(&self) -> Option<ParsedPublicKey> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        match self {
            Self::Es256 { x, y, .. } => {
                // The prefix 4 marks an uncompressed point (SEC 1 section 2.3.3).
                let point = [vec![4], bytes(x), bytes(y)].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            }
            Self::Rs256 { n, e } => RsaPublicKeyComponents {
                n: bytes(n),
                e: bytes(e),
            }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256),
        }
        .ok()
    }
}

/// Whether the key has 2048 bits and the exponent 65537. TPMs, the authenticators that use RSA,
/// create such keys. aws-lc-rs checks neither before it verifies a signature.
fn is_rsa_2048(n: &[u8], e: &[u8]) -> bool {
    let is_full_size = n.len() == 256 && n[0] >= 0x80;
    let is_odd = n.last().is_some_and(|last| last % 2 == 1);
    is_full_size && is_odd && e == [1, 0, 1]
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
    fn g09_a_signature_verifies_with_its_own_key_only() {
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
        let dummy = read_back(&PublicKey::dummy());
        assert!(!dummy.verifies(b"text", es256_signature.as_ref()));
    }

    /// A COSE_Key with these entries, each one label and one value in CBOR.
    fn cose(entries: &[&[u8]]) -> Vec<u8> {
        let count = u8::try_from(entries.len()).unwrap();
        [&[0xa0 | count], &entries.concat()[..]].concat()
    }

    #[test]
    fn g09_g18_a_cose_key_is_read_if_it_is_complete_and_valid() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = ([b"\x21\x58\x20", x].concat(), [b"\x22\x58\x20", y].concat());
        let (x, y) = (&x[..], &y[..]);
        let [kty, alg, crv] = [&b"\x01\x02"[..], b"\x03\x26", b"\x20\x01"];
        let Some(key @ PublicKey::Es256 { .. }) = PublicKey::from_cose(&cose(&[kty, alg, crv, x, y])) else {
            panic!("a valid key is refused");
        };
        assert_eq!(key.algorithm(), -7);
        assert!(key.verifies(
            b"text",
            pair.sign(&SystemRandom::new(), b"text").unwrap().as_ref()
        ));
        // Parameters may come in any order, and unknown ones are ignored.
        let more = cose(&[y, x, crv, alg, kty, b"\x04\x81\x02", b"\x63new\xf5"]);
        assert_eq!(PublicKey::from_cose(&more), Some(key));
        let short_x = [b"\x21\x58\x1f", &x[3..34]].concat();
        let long_y = [b"\x22\x58\x21", &y[3..], b"\x00"].concat();
        for bad in [
            cose(&[]),
            cose(&[alg, crv, x, y]),
            cose(&[kty, crv, x, y]),
            cose(&[kty, alg, x, y]),
            cose(&[kty, alg, crv, y]),
            cose(&[kty, alg, crv, x]),
            cose(&[kty, alg, crv, &short_x, y]),
            cose(&[kty, alg, crv, x, &long_y]),
            // A compressed point: its y is a boolean, the sign.
            cose(&[kty, alg, crv, x, b"\x22\xf5"]),
            cose(&[kty, alg, crv, x, y, crv]),
            // Text in place of the registered numbers.
            cose(&[b"\x01\x63EC2", alg, crv, x, y]),
            cose(&[kty, b"\x03\x65ES256", crv, x, y]),
            // The point (0, 0), which is not on the curve.
            cose(&[
                kty,
                alg,
                crv,
                &[b"\x21\x58\x20", &[0; 32][..]].concat(),
                &[b"\x22\x58\x20", &[0; 32][..]].concat(),
            ]),
            [&cose(&[kty, alg, crv, x, y])[..], b"\x00"].concat(),
        ] {
            assert_eq!(PublicKey::from_cose(&bad), None, "{bad:x?}");
        }
    }

    #[test]
    fn g09_an_rsa_key_has_2048_bits_and_the_usual_exponent() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let numbers = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let n = |n: &[u8]| {
            let length = u16::try_from(n.len()).unwrap().to_be_bytes();
            [b"\x20\x59", &length[..], n].concat()
        };
        let key = |n: &[u8], e: &[u8]| cose(&[b"\x01\x03", b"\x03\x39\x01\x00", n, e]);
        let good = PublicKey::from_cose(&key(&n(&numbers.n), b"\x21\x43\x01\x00\x01")).unwrap();
        assert_eq!(good.algorithm(), -257);
        let mut signature = vec![0; 256];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"text", &mut signature)
            .unwrap();
        assert!(good.verifies(b"text", &signature));

        let mut even = numbers.n.clone();
        even[255] &= !1;
        let mut short = numbers.n.clone();
        short[0] = 0x7f;
        for modulus in [
            &numbers.n[1..],
            &[&[0][..], &numbers.n[1..]].concat(),
            &[&[0][..], &numbers.n].concat(),
            &[&numbers.n[..], &[1]].concat(),
            &even,
            &short,
            &[],
        ] {
            assert_eq!(
                PublicKey::from_cose(&key(&n(modulus), b"\x21\x43\x01\x00\x01")),
                None
            );
        }
        for exponent in [
            &b"\x21\x43\x00\x00\x01"[..],
            b"\x21\x43\x00\x00\x03",
            b"\x21\x43\x01\x00\x00",
            b"\x21\x44\x00\x01\x00\x01",
            b"\x21\x41\x03",
            b"\x21\x40",
            b"\x21\x1a\x00\x01\x00\x01",
        ] {
            assert_eq!(
                PublicKey::from_cose(&key(&n(&numbers.n), exponent)),
                None,
                "{exponent:x?}"
            );
        }
    }
}
