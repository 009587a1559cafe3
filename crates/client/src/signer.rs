//! The key pair of an API key, and the texts that it signs.
//!
//! The cryptographic library holds the private key and wipes it when the pair is dropped. This
//! module wipes the copies that it makes for decoding; a [`PrivateJwk`] that it returns wipes
//! itself.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::jwks::p256_thumbprint_text;
use tm_auth_proto::{AccountId, ApiKeyTokenRequest, KeyFile, KeyId, PrivateJwk, PublicKeyInput, challenge};
use zeroize::Zeroizing;

/// Signs with the private key of an API key (ES256). `Debug` shows only the fingerprint.
pub struct Signer {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
    fingerprint: String,
}

impl Signer {
    /// Generates a new key pair.
    pub fn generate() -> Result<Self, SignerError> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| SignerError::Library)?;
        Ok(Self::of(pair))
    }

    /// Reads the key pair of a key file.
    pub fn from_key_file(file: &KeyFile) -> Result<Self, SignerError> {
        if file.algorithm != "ES256" {
            return Err(SignerError::NotP256);
        }
        Self::from_jwk(&file.private_key)
    }

    /// Reads the key pair of a private JWK. Fails if `x` and `y` do not belong to `d`. Otherwise
    /// the service would refuse every signature, without a hint at the reason.
    pub fn from_jwk(jwk: &PrivateJwk) -> Result<Self, SignerError> {
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return Err(SignerError::NotP256);
        }
        let d = decode_member("d", &jwk.d)?;
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&*decode_member("x", &jwk.x)?);
        point[33..].copy_from_slice(&*decode_member("y", &jwk.y)?);
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &*d, &point)
            .map(Self::of)
            .map_err(|_| SignerError::Inconsistent)
    }

    fn of(pair: EcdsaKeyPair) -> Self {
        // SEC 1 section 2.3.3: an uncompressed point is 0x04, x, y.
        let point = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(&point[1..33]);
        let y = URL_SAFE_NO_PAD.encode(&point[33..]);
        let fingerprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, p256_thumbprint_text(&x, &y).as_bytes()));
        Self {
            pair,
            x,
            y,
            fingerprint,
        }
    }

    /// Returns the body of a mint request, with a signature over `{key_id}.{timestamp}`. Signatures
    /// are randomized, so two requests of the same second differ, and the service accepts both.
    pub fn mint_request(&self, key_id: KeyId, at: Timestamp) -> Result<ApiKeyTokenRequest, SignerError> {
        let key_id = key_id.to_string();
        let timestamp = challenge::seconds(at);
        let signature = self.sign(&challenge::mint(&key_id, timestamp))?;
        Ok(ApiKeyTokenRequest {
            key_id,
            timestamp,
            signature,
        })
    }

    /// Returns the proof of possession for registering the public key. `issuer` and `account` are
    /// the `iss` and `uid` of the access token that registers it.
    pub fn registration_proof(
        &self,
        issuer: &str,
        account: AccountId,
        at: Timestamp,
    ) -> Result<RegistrationProof, SignerError> {
        let timestamp = challenge::seconds(at);
        let text = challenge::registration(issuer, account, &self.fingerprint, timestamp);
        let signature = self.sign(&text)?;
        Ok(RegistrationProof { timestamp, signature })
    }

    /// Signs the bytes of `text` with ES256. Returns r‖s, 64 bytes (RFC 7518 section 3.4), in
    /// base64url without padding.
    pub fn sign(&self, text: &str) -> Result<String, SignerError> {
        self.pair
            .sign(&SystemRandom::new(), text.as_bytes())
            .map(|signature| URL_SAFE_NO_PAD.encode(signature))
            .map_err(|_| SignerError::Library)
    }

    /// Returns the SHA-256 thumbprint (RFC 7638) of the public key, in base64url without padding.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the public key as a SubjectPublicKeyInfo in PEM, for the API Keys page.
    pub fn public_key_pem(&self) -> Result<String, SignerError> {
        let der = self
            .pair
            .public_key()
            .as_der()
            .map_err(|_| SignerError::Library)?;
        let text = STANDARD.encode(&*der);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (index, character) in text.chars().enumerate() {
            if index > 0 && index % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        Ok(pem)
    }

    /// Returns the public key as a JWK, for a registration.
    pub fn public_jwk(&self) -> PublicKeyInput {
        let member = |name: &str, value: &str| (name.to_owned(), value.into());
        PublicKeyInput::Jwk(
            [
                member("kty", "EC"),
                member("crv", "P-256"),
                member("x", &self.x),
                member("y", &self.y),
            ]
            .into_iter()
            .collect(),
        )
    }

    /// Returns the key pair as a JWK, for a key file. Contains the private key.
    pub fn private_jwk(&self) -> Result<PrivateJwk, SignerError> {
        let d = self
            .pair
            .private_key()
            .as_be_bytes()
            .map_err(|_| SignerError::Library)?;
        Ok(PrivateJwk {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x: self.x.clone(),
            y: self.y.clone(),
            d: URL_SAFE_NO_PAD.encode(&*d),
        })
    }

    /// Returns a key file of this key pair, which is not registered yet: it has no `key_id`.
    pub fn key_file(&self, label: &str, created_at: Timestamp) -> Result<KeyFile, SignerError> {
        Ok(KeyFile {
            key_id: None,
            label: label.to_owned(),
            algorithm: "ES256".to_owned(),
            fingerprint: self.fingerprint.clone(),
            created_at: Some(created_at),
            private_key: self.private_jwk()?,
        })
    }

    #[cfg(feature = "testing")]
    pub(crate) fn public_point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Why a key cannot sign. The fault of the key file, except for [`SignerError::Library`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The key has another type.
    #[error("the key is not an EC key on P-256 for ES256")]
    NotP256,
    /// This member of the JWK is malformed.
    #[error("`{0}` of the private key is not 32 bytes in base64url without padding")]
    InvalidMember(&'static str),
    /// The public key does not belong to the private key.
    #[error("`d`, `x` and `y` of the private key do not belong together: the key file was altered")]
    Inconsistent,
    /// The cryptographic library failed, for lack of memory or randomness.
    #[error("the cryptographic library failed")]
    Library,
}

/// Decodes a member of 32 bytes. RFC 7518 section 6.2.1.2: "The length of this octet string MUST be
/// the full size of a coordinate for the curve". Section 6.2.2.1 requires 32 octets of `d` too.
fn decode_member(name: &'static str, text: &str) -> Result<Zeroizing<[u8; 32]>, SignerError> {
    // The decoder needs room for its estimate of the length, which it rounds up.
    let mut buffer = Zeroizing::new([0; 48]);
    let mut value = Zeroizing::new([0; 32]);
    match URL_SAFE_NO_PAD.decode_slice(text, buffer.as_mut_slice()) {
        Ok(32) => value.copy_from_slice(&buffer[..32]),
        _ => return Err(SignerError::InvalidMember(name)),
    }
    Ok(value)
}
