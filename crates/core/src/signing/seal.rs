//! Sealing of private keys, and of mail that has a code: AES-256-GCM under a key-encryption key
//! (KEK) that is not in the database.
//!
//! The associated data binds a sealed key to its id, purpose and environment, so that a row copied
//! elsewhere does not unseal. Write access to the database is therefore not enough to add a key to
//! the JWKS. In the same way it binds mail to its row.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use tm_auth_proto::Environment;
use zeroize::Zeroizing;

use super::Purpose;

/// Version of the format: the first byte of what is sealed, and part of the associated data.
const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const KEK_NAME_LEN: usize = 8;

/// Key under which the service's keys are sealed. `Debug` shows only its name.
pub struct KeyEncryptionKey {
    name: [u8; KEK_NAME_LEN],
    key: RandomizedNonceKey,
}

/// A sealed private key or mail: version, name of the KEK, nonce, ciphertext with tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// Reason why something cannot be unsealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// It is sealed under another KEK.
    #[error("sealed under another key-encryption key")]
    OtherKey,
    /// The sealed key is damaged, forged or from another row.
    #[error("the sealed key is damaged, forged or from another row")]
    Forged,
}

impl KeyEncryptionKey {
    /// Creates a KEK from 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        let hash = digest(&SHA256, &[b"tm-auth kek name\0".as_slice(), secret].concat());
        let mut name = [0; KEK_NAME_LEN];
        name.copy_from_slice(&hash.as_ref()[..KEK_NAME_LEN]);
        Self {
            name,
            key: RandomizedNonceKey::new(&AES_256_GCM, secret).expect("an AES-256 key has 32 bytes"),
        }
    }

    /// Seals a private key; it unseals only with the same `kid`, `purpose` and `environment`.
    pub fn seal(&self, secret: &[u8], kid: &str, purpose: Purpose, environment: Environment) -> Sealed {
        self.seal_bound(secret, associated_data(kid, purpose, environment))
    }

    /// Seals mail; it unseals only with the same `id` of its row and the same `environment`.
    pub fn seal_mail(&self, mail: &[u8], id: [u8; 16], environment: Environment) -> Sealed {
        self.seal_bound(mail, associated_data_of_mail(id, environment))
    }

    /// Unseals the result of [`KeyEncryptionKey::seal_mail`].
    pub fn unseal_mail(
        &self,
        sealed: &Sealed,
        id: [u8; 16],
        environment: Environment,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        self.unseal_bound(sealed, associated_data_of_mail(id, environment))
    }

    fn seal_bound(&self, secret: &[u8], associated_data: Vec<u8>) -> Sealed {
        let mut text = secret.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(associated_data), &mut text)
            .expect("sealing a few kilobytes does not fail");
        Sealed([&[VERSION], self.name.as_slice(), nonce.as_ref().as_slice(), &text].concat())
    }

    /// Unseals the result of [`KeyEncryptionKey::seal`].
    pub fn unseal(
        &self,
        sealed: &Sealed,
        kid: &str,
        purpose: Purpose,
        environment: Environment,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        self.unseal_bound(sealed, associated_data(kid, purpose, environment))
    }

    fn unseal_bound(
        &self,
        sealed: &Sealed,
        associated_data: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let rest = sealed.0.strip_prefix(&[VERSION]).ok_or(UnsealError::Forged)?;
        let rest = rest.strip_prefix(&self.name).ok_or(UnsealError::OtherKey)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(UnsealError::Forged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| UnsealError::Forged)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self
            .key
            .open_in_place(nonce, Aad::from(associated_data), &mut text)
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

fn associated_data_of_mail(id: [u8; 16], environment: Environment) -> Vec<u8> {
    let mut text = format!("tm-auth sealed mail {VERSION}\0{environment}\0").into_bytes();
    text.extend(id);
    text
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEncryptionKey({:02x?})", self.name)
    }
}
