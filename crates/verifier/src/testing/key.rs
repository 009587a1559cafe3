//! A signing key of the test issuer.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tm_auth_proto::Jwk;

use crate::Algorithm;

/// A key pair with a `kid`. `Debug` shows only the `kid`.
pub struct TestKey {
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl TestKey {
    /// Generates a key pair. RSA keys take noticeably longer than the others.
    pub fn generate(kid: &str, algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::RS256 => Pair::Rsa(Box::new(
                RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA key generation succeeds"),
            )),
            Algorithm::ES256 => Pair::Ecdsa(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .expect("P-256 key generation succeeds"),
            ),
            Algorithm::EdDSA => {
                Pair::Ed25519(Ed25519KeyPair::generate().expect("Ed25519 key generation succeeds"))
            }
        };
        Self {
            kid: kid.to_owned(),
            pair,
        }
    }

    /// Returns the `kid`.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::RS256,
            Pair::Ecdsa(_) => Algorithm::ES256,
            Pair::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// Signs these bytes as a JWS does.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("the key signs");
                signature
            }
            Pair::Ecdsa(pair) => pair
                .sign(&random, message)
                .expect("the key signs")
                .as_ref()
                .to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Returns the public key: PKCS #1 DER for RSA, an uncompressed SEC 1 point for ECDSA, 32 bytes
    /// for Ed25519.
    pub fn public_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref(),
            Pair::Ecdsa(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    /// Returns the public key as a JWK.
    pub fn jwk(&self) -> Jwk {
        let public = self.public_bytes();
        let encode = |number: &[u8]| Some(URL_SAFE_NO_PAD.encode(number));
        let mut jwk = Jwk {
            kty: String::new(),
            kid: self.kid.clone(),
            use_: "sig".to_owned(),
            alg: self.algorithm().as_str().to_owned(),
            n: None,
            e: None,
            crv: None,
            x: None,
            y: None,
        };
        match &self.pair {
            // SEQUENCE { INTEGER n, INTEGER e }: eight bytes of headers, the zero octet that keeps
            // n positive, n, two bytes of header, e.
            Pair::Rsa(pair) => {
                let n_end = 9 + pair.public_modulus_len();
                (jwk.kty, jwk.n, jwk.e) = (
                    "RSA".to_owned(),
                    encode(&public[9..n_end]),
                    encode(&public[n_end + 2..]),
                );
            }
            Pair::Ecdsa(_) => {
                (jwk.kty, jwk.crv) = ("EC".to_owned(), Some("P-256".to_owned()));
                (jwk.x, jwk.y) = (encode(&public[1..33]), encode(&public[33..]));
            }
            Pair::Ed25519(_) => {
                (jwk.kty, jwk.crv) = ("OKP".to_owned(), Some("Ed25519".to_owned()));
                jwk.x = encode(public);
            }
        }
        jwk
    }
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
