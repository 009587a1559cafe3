//! Answers that are altered in one place each, and the reason for which each is refused.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use proptest::prelude::*;

use super::*;

const ID: &[u8] = &[9; 32];
const CLIENT_DATA: &[u8] = b"client data";

/// The parts of a new credential, before they are encoded.
struct NewCredential {
    pair: EcdsaKeyPair,
    rp_id: &'static str,
    flags: u8,
    id: Vec<u8>,
    /// A COSE_Key.
    key: Vec<u8>,
}

impl NewCredential {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let key = [
            &b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..],
            x,
            b"\x22\x58\x20",
            y,
        ]
        .concat();
        Self {
            pair,
            rp_id: "example.com",
            // User present, user verified, attested credential data included.
            flags: 0b0100_0101,
            id: ID.to_vec(),
            key,
        }
    }

    fn authenticator_data(&self) -> Vec<u8> {
        let rp_id_hash = digest(&SHA256, self.rp_id.as_bytes());
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let mut data = [rp_id_hash.as_ref(), &[self.flags, 0, 0, 0, 7]].concat();
        if self.flags & 0b0100_0000 != 0 {
            data.extend([&[0; 16], &length[..], &self.id, &self.key].concat());
        }
        data
    }

    fn object(&self, format: &str, statement: &[u8]) -> Vec<u8> {
        [
            b"\xa3\x63fmt",
            &[0x60 | u8::try_from(format.len()).unwrap()][..],
            format.as_bytes(),
            b"\x67attStmt",
            statement,
            b"\x68authData",
            &bytes(&self.authenticator_data()),
        ]
        .concat()
    }

    fn none(&self) -> Vec<u8> {
        self.object("none", b"\xa0")
    }

    fn signature(&self) -> Vec<u8> {
        let hash = digest(&SHA256, CLIENT_DATA);
        let signed = [&self.authenticator_data(), hash.as_ref()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        signature.as_ref().to_vec()
    }

    fn packed(&self) -> Vec<u8> {
        self.object(
            "packed",
            &statement(&[("alg", b"\x26"), ("sig", &bytes(&self.signature()))]),
        )
    }
}

/// A byte string of CBOR.
fn bytes(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x59], &length[..], content].concat()
}

fn statement(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut map = vec![0xa0 | u8::try_from(members.len()).unwrap()];
    for (name, value) in members {
        map.push(0x60 | u8::try_from(name.len()).unwrap());
        map.extend([name.as_bytes(), value].concat());
    }
    map
}

fn verify_object(object: &[u8]) -> Result<NewPasskey, Refused> {
    verify_as("public-key", ID, object, &[])
}

fn verify_as(kind: &str, id: &[u8], object: &[u8], excluded: &[CredentialId]) -> Result<NewPasskey, Refused> {
    let text = super::super::text;
    let answer = serde_json::from_value(json!({
        "id": text(id),
        "rawId": text(id),
        "type": kind,
        "response": {
            "clientDataJSON": text(CLIENT_DATA),
            "attestationObject": text(object),
            "transports": ["usb", "tomorrow", "nfc"],
        },
    }));
    let rp = RelyingParty {
        id: "example.com".to_owned(),
        id_hash: digest(&SHA256, b"example.com").as_ref().to_vec(),
        origin: "https://example.com".to_owned(),
    };
    let name = "key ring".to_owned();
    verify(&rp, &answer.unwrap(), excluded, name, Timestamp::UNIX_EPOCH)
}

fn record(passkey: &NewPasskey) -> Record {
    serde_json::from_str(&passkey.credential).unwrap()
}

#[test]
fn g01_g18_a_passkey_without_attestation_and_with_self_attestation_is_accepted() {
    let credential = NewCredential::new();
    for object in [credential.none(), credential.packed()] {
        let passkey = verify_object(&object).unwrap();
        assert_eq!(passkey.credential_id, ID);
        assert_eq!(passkey.counter, 7);
        assert_eq!((passkey.backup_eligible, passkey.backed_up), (false, false));
        let record = record(&passkey);
        assert_eq!(Some(record.public_key), PublicKey::from_cose(&credential.key));
        assert_eq!(record.transports, ["nfc", "usb"]);
        assert!(record.user_verified);
    }
}

#[test]
fn g06_g07_g08_g09_g10_each_step_refuses_with_its_own_reason() {
    let altered = |alter: fn(&mut NewCredential)| {
        let mut credential = NewCredential::new();
        alter(&mut credential);
        credential.none()
    };
    for (object, reason) in [
        // Step 13.
        (vec![0xa0], "malformed attestation object"),
        // Steps 14 to 17.
        (
            altered(|credential| credential.rp_id = "evil.example"),
            "made for another relying party",
        ),
        (
            altered(|credential| credential.flags &= !0b0001),
            "the user was not present",
        ),
        (
            altered(|credential| credential.flags &= !0b0100),
            "the user was not verified",
        ),
        (
            altered(|credential| credential.flags |= 0b0001_0000),
            "backed up, but not eligible for backup",
        ),
        // No attested credential data, or another credential's.
        (
            altered(|credential| credential.flags &= !0b0100_0000),
            "no credential",
        ),
        (
            altered(|credential| credential.id = vec![8; 32]),
            "another credential's data",
        ),
        // Step 20.
        (
            altered(|credential| credential.key[4] = 0x27),
            "no valid key of an offered algorithm",
        ),
        (
            altered(|credential| credential.key[20] ^= 1),
            "no valid key of an offered algorithm",
        ),
        // Step 25.
        (
            altered(|credential| credential.id = vec![9; 1024]),
            "malformed authenticator data",
        ),
    ] {
        assert_eq!(verify_object(&object).unwrap_err(), because(reason));
    }
    let object = NewCredential::new().none();
    for (kind, id, excluded, reason) in [
        ("password", ID, vec![], "not a public-key credential"),
        ("public-key", &ID[1..], vec![], "another credential's data"),
        // Step 26.
        (
            "public-key",
            ID,
            vec![vec![1], ID.to_vec()],
            "a credential that the options excluded",
        ),
    ] {
        assert_eq!(
            verify_as(kind, id, &object, &excluded).unwrap_err(),
            because(reason)
        );
    }
}

#[test]
fn g18_a_statement_is_none_or_the_keys_own_signature() {
    let credential = NewCredential::new();
    let signature = bytes(&credential.signature());
    let other = bytes(&NewCredential::new().signature());
    let malformed = "malformed attestation statement";
    let certificates = "an attestation with certificates that was not asked for";
    for (members, reason) in [
        (vec![], malformed),
        (vec![("alg", &b"\x26"[..])], malformed),
        (vec![("sig", &signature[..])], malformed),
        (vec![("alg", b"\x43abc"), ("sig", &signature)], malformed),
        (vec![("alg", b"\x26"), ("sig", b"\x63abc")], malformed),
        (
            vec![("alg", b"\x26"), ("alg", b"\x26"), ("sig", &signature)],
            malformed,
        ),
        (
            vec![("alg", b"\x27"), ("sig", &signature)],
            "an attestation by another algorithm than the key's",
        ),
        (
            vec![("alg", b"\x26"), ("sig", &other)],
            "the attestation's signature does not verify",
        ),
        (
            vec![("alg", b"\x26"), ("sig", b"\x40")],
            "the attestation's signature does not verify",
        ),
        (
            vec![("alg", b"\x26"), ("sig", &signature), ("x5c", b"\x80")],
            certificates,
        ),
        (vec![("x5c", b"\x81\x41a")], certificates),
    ] {
        let refused = verify_object(&credential.object("packed", &statement(&members))).unwrap_err();
        assert_eq!(refused, because(reason), "{members:x?}");
    }
    for format in ["tpm", "android-key", "fido-u2f", "apple", "None", "packed ", ""] {
        let refused = verify_object(&credential.object(format, b"\xa0")).unwrap_err();
        assert_eq!(
            refused,
            because("an attestation that was not asked for"),
            "{format}"
        );
    }
}

#[test]
fn g18_no_bent_or_shortened_answer_passes_for_another_key() {
    let credential = NewCredential::new();
    let key = PublicKey::from_cose(&credential.key).unwrap();
    let data = credential.authenticator_data();
    for (object, is_signed) in [(credential.none(), false), (credential.packed(), true)] {
        for length in 0..object.len() {
            verify_object(&object[..length]).unwrap_err();
        }
        for at in 0..object.len() {
            for bit in 0..8 {
                let mut altered = object.clone();
                altered[at] ^= 1 << bit;
                let Ok(passkey) = verify_object(&altered) else {
                    continue;
                };
                assert_eq!(passkey.credential_id, ID);
                assert_eq!(record(&passkey).public_key, key);
                if is_signed {
                    assert!(altered.ends_with(&data), "byte {at} is signed");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn g18_no_answer_makes_it_panic(
        at in 0..300_usize,
        removed in 0..40_usize,
        inserted in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let credential = NewCredential::new();
        for mut object in [credential.none(), credential.packed()] {
            let at = at.min(object.len());
            let end = (at + removed).min(object.len());
            object.splice(at..end, inserted.clone());
            let _ = verify_object(&object);
        }
        let _ = verify_object(&inserted);
    }
}
