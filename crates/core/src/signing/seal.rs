//! Sealing: private keys reach the database only as AES-256-GCM under a key-encryption key that it does not
//! hold.
//!
//! The associated data binds a sealed key to its name, purpose and environment: a row copied to another
//! place does not unseal. Whoever can write to the database can therefore not add a key to the JWKS.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use tm_auth_proto::Environment;
use zeroize::Zeroizing;

use super::Purpose;

/// The format's version: the first byte of a sealed key, and part of the associated data.
const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const KEK_NAME_LEN: usize = 8;

/// The key under which the service's keys are sealed. `Debug` shows its name only.
pub struct KeyEncryptionKey {
    name: [u8; KEK_NAME_LEN],
    key: RandomizedNonceKey,
}

/// A sealed private key: version, name of the key-encryption key, nonce, ciphertext with tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// Why a sealed key stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// Sealed under another key-encryption key.
    #[error("sealed under another key-encryption key")]
    OtherKey,
    /// Damaged, forged or moved here from another row.
    #[error("does not unseal: damaged, forged or moved from another row")]
    Forged,
}

impl KeyEncryptionKey {
    /// Takes 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        let hash = digest(&SHA256, &[b"tm-auth kek name\0".as_slice(), secret].concat());
        let mut name = [0; KEK_NAME_LEN];
        name.copy_from_slice(&hash.as_ref()[..KEK_NAME_LEN]);
        Self {
            name,
            key: RandomizedNonceKey::new(&AES_256_GCM, secret).expect("32 bytes are an AES-256 key"),
        }
    }

    /// Seals a private key for one place.
    pub fn seal(&self, secret: &[u8], kid: &str, purpose: Purpose, environment: Environment) -> Sealed {
        let mut text = secret.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(associated_data(kid, purpose, environment)), &mut text)
            .expect("sealing a few kilobytes works");
        Sealed([&[VERSION], self.name.as_slice(), nonce.as_ref().as_slice(), &text].concat())
    }

    /// Opens what [`KeyEncryptionKey::seal`] made for the same place.
    pub fn unseal(
        &self,
        sealed: &Sealed,
        kid: &str,
        purpose: Purpose,
        environment: Environment,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let rest = sealed.0.strip_prefix(&[VERSION]).ok_or(UnsealError::Forged)?;
        let rest = rest.strip_prefix(&self.name).ok_or(UnsealError::OtherKey)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(UnsealError::Forged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Forged)?;
        let mut text = Zeroizing::new(text.to_vec());
        let aad = Aad::from(associated_data(kid, purpose, environment));
        let length = self
            .key
            .open_in_place(nonce, aad, &mut text)
            .map_err(|_| UnsealError::Forged)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

fn associated_data(kid: &str, purpose: Purpose, environment: Environment) -> Vec<u8> {
    format!(
        "tm-auth sealed key {VERSION}\0{kid}\0{}\0{environment}",
        purpose.as_str()
    )
    .into_bytes()
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEncryptionKey({:02x?})", self.name)
    }
}
