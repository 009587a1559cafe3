//! Signing keys of access tokens and of the revocation list.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tm_auth_proto::{Environment, Jwk, compact};
use zeroize::Zeroizing;

use super::Algorithm;

/// A key pair for signing. The private key is parsed only once. `Debug` shows only the key id.
pub struct SigningKey {
    kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key could not be created, parsed or encoded: a bug or a damaged row, not a mistake of a
/// caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key could not be created, parsed or encoded")]
pub struct KeyError;

impl SigningKey {
    /// Generates a key pair. RSA takes a fraction of a second.
    pub fn generate(algorithm: Algorithm, environment: Environment) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::RS256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?),
            Algorithm::ES256 => {
                Pair::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError)?)
            }
            Algorithm::EdDSA => Pair::Ed25519(Ed25519KeyPair::generate().map_err(|_| KeyError)?),
        };
        // The id contains a hash of the public key, so that two nodes never use the same id for
        // different keys, and the environment, so that tokens of the other one are recognized.
        let hash = digest(&SHA256, pair.public());
        let kid = format!("{environment}-{}", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12]));
        Ok(Self { kid, pair })
    }

    /// Parses the result of [`SigningKey::to_pkcs8`].
    pub fn from_pkcs8(kid: String, algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::RS256 => Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError)?),
            Algorithm::ES256 => Pair::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| KeyError)?,
            ),
            Algorithm::EdDSA => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError)?),
        };
        Ok(Self { kid, pair })
    }

    /// Encodes the private key, so that it can be sealed.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let der = match &self.pair {
            Pair::Rsa(pair) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair)
                .map_err(|_| KeyError)?
                .as_ref()
                .to_vec(),
            Pair::P256(pair) => pair.to_pkcs8v1().map_err(|_| KeyError)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.to_pkcs8().map_err(|_| KeyError)?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(der))
    }

    /// The key id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm that the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::RS256,
            Pair::P256(_) => Algorithm::ES256,
            Pair::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// The public key, as published in the JWKS.
    pub fn jwk(&self) -> Jwk {
        let encode = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let base = Jwk {
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
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                Jwk {
                    kty: "RSA".to_owned(),
                    n: encode(public.modulus().big_endian_without_leading_zero()),
                    e: encode(public.exponent().big_endian_without_leading_zero()),
                    ..base
                }
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                Jwk {
                    kty: "EC".to_owned(),
                    crv: Some("P-256".to_owned()),
                    x: encode(&point[1..33]),
                    y: encode(&point[33..]),
                    ..base
                }
            }
            Pair::Ed25519(pair) => Jwk {
                kty: "OKP".to_owned(),
                crv: Some("Ed25519".to_owned()),
                x: encode(pair.public_key().as_ref()),
                ..base
            },
        }
    }

    /// Signs a payload as a compact JWS.
    pub fn sign_jws(&self, typ: &str, payload: &[u8]) -> String {
        let input = compact::signing_input(self.algorithm().as_str(), typ, &self.kid, payload);
        let signature = self.sign(input.as_bytes());
        compact::finish(input, &signature)
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        // Fails only if the library's state is broken. Then no token may be issued.
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("RSA signing does not fail");
                signature
            }
            Pair::P256(pair) => pair
                .sign(&random, message)
                .expect("ECDSA signing does not fail")
                .as_ref()
                .to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

impl Pair {
    fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::P256(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}
