//! The attestation object of a new credential: WebAuthn section 6.5.
//!
//! The options ask for no attestation, so a browser that follows the standard (section 5.1.3) sends
//! the format `none`, or `packed` with self attestation: a signature by the new key itself. Every
//! other statement depends on certificates, which this service does not trust, and is refused.

use super::cbor::{self, Item};
use super::public_key::PublicKey;
use super::refused::{Refused, because};

/// A parsed attestation object.
#[derive(Debug)]
pub(super) struct AttestationObject<'a> {
    format: &'a [u8],
    /// The statement, a map in CBOR.
    statement: &'a [u8],
    pub(super) authenticator_data: &'a [u8],
}

impl<'a> AttestationObject<'a> {
    /// Reads `fmt`, `attStmt` and `authData`. Other members are ignored.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let members = cbor::map(bytes).ok_or(because("malformed attestation object"))?;
        let member = |name: &'static str| members.get(&Item::Text(name.as_bytes()));
        match (member("fmt"), member("attStmt"), member("authData")) {
            (Some(Item::Text(format)), Some(Item::Map(statement)), Some(Item::Bytes(data))) => Ok(Self {
                format,
                statement,
                authenticator_data: data,
            }),
            _ => Err(because("malformed attestation object")),
        }
    }

    /// Verifies the statement by the procedure of its format (sections 8.2 and 8.7).
    pub(super) fn verify(&self, key: &PublicKey, client_data_hash: &[u8]) -> Result<(), Refused> {
        match self.format {
            // "Return implementation-specific values representing attestation type None."
            b"none" => Ok(()),
            b"packed" => self.verify_self_attestation(key, client_data_hash),
            _ => Err(because("an attestation that was not asked for")),
        }
    }

    fn verify_self_attestation(&self, key: &PublicKey, client_data_hash: &[u8]) -> Result<(), Refused> {
        let malformed = because("malformed attestation statement");
        let statement = cbor::map(self.statement).ok_or(malformed)?;
        let member = |name: &'static str| statement.get(&Item::Text(name.as_bytes()));
        // "If x5c is not present, self attestation is in use."
        if member("x5c").is_some() {
            return Err(because("an attestation with certificates that was not asked for"));
        }
        let (Some(&Item::Integer(algorithm)), Some(Item::Bytes(signature))) = (member("alg"), member("sig"))
        else {
            return Err(malformed);
        };
        // "Validate that alg matches the algorithm of the credentialPublicKey in
        // authenticatorData."
        if algorithm != key.algorithm() {
            return Err(because("an attestation by another algorithm than the key's"));
        }
        // "Verify that sig is a valid signature over the concatenation of authenticatorData and
        // clientDataHash using the credential public key with alg."
        let signed = [self.authenticator_data, client_data_hash].concat();
        if key.verifies(&signed, signature) {
            Ok(())
        } else {
            Err(because("the attestation's signature does not verify"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &[u8] = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x43abc";

    #[test]
    fn g18_an_attestation_object_is_one_map_and_nothing_more() {
        let object = AttestationObject::read(OBJECT).unwrap();
        assert_eq!(object.format, b"none");
        assert_eq!(object.statement, b"\xa0");
        assert_eq!(object.authenticator_data, b"abc");
        for bad in [
            &b"\x63fmt"[..],
            b"\xa0",
            b"\xa1\x63fmt\x64none",
            // Without a statement, with one that is not a map, with other members of the wrong
            // kind.
            b"\xa2\x63fmt\x64none\x68authData\x43abc",
            b"\xa3\x63fmt\x64none\x67attStmt\x80\x68authData\x43abc",
            b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x63abc",
            b"\xa3\x63fmt\x44none\x67attStmt\xa0\x68authData\x43abc",
            b"\xa3\x01\x64none\x67attStmt\xa0\x68authData\x43abc",
            // A member twice; bytes after the map.
            b"\xa4\x63fmt\x64none\x63fmt\x64none\x67attStmt\xa0\x68authData\x43abc",
            &[OBJECT, b"d"].concat(),
        ] {
            let refused = AttestationObject::read(bad).unwrap_err();
            assert_eq!(refused, because("malformed attestation object"), "{bad:x?}");
        }
    }
}
