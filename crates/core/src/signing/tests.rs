use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tm_auth_proto::{CompactJws, Environment, Jwk};

use super::*;
use crate::sample::HERE;

mod lifecycle;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
const SECRET: &[u8] = b"a private key in PKCS#8";

static KEYS: LazyLock<[SigningKey; 3]> = LazyLock::new(|| ALGORITHMS.map(generate));

fn generate(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm, HERE).unwrap()
}

fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::new(&[0x4b; 32])
}

fn sealed() -> Sealed {
    kek().seal(SECRET, "uat-1", Purpose::AccessToken, HERE)
}

fn unseal(sealed: &Sealed) -> Result<Vec<u8>, UnsealError> {
    let text = kek().unseal(sealed, "uat-1", Purpose::AccessToken, HERE)?;
    Ok(text.to_vec())
}

#[test]
fn b05_a_sealed_key_unseals_and_does_not_contain_the_secret() {
    let sealed = sealed();
    assert_eq!(unseal(&sealed).unwrap(), SECRET);
    assert!(
        !sealed
            .0
            .windows(4)
            .any(|part| SECRET.windows(4).any(|secret| secret == part))
    );
    assert_ne!(sealed, self::sealed(), "the nonce is new each time");
    assert_eq!(
        unseal(&kek().seal(b"", "uat-1", Purpose::AccessToken, HERE)).unwrap(),
        b""
    );
}

#[test]
fn b05_a_sealed_key_does_not_unseal_for_another_id_purpose_or_environment() {
    for (kid, purpose, environment) in [
        ("uat-2", Purpose::AccessToken, HERE),
        ("", Purpose::AccessToken, HERE),
        ("uat-1", Purpose::RefreshToken, HERE),
        ("uat-1", Purpose::AccessToken, Environment::Production),
    ] {
        let opened = kek().unseal(&sealed(), kid, purpose, environment);
        assert_eq!(opened.unwrap_err(), UnsealError::Forged);
    }
    // Id and purpose cannot be shifted into each other.
    let joined = kek().unseal(&sealed(), "uat-1\0access_token", Purpose::AccessToken, HERE);
    assert_eq!(joined.unwrap_err(), UnsealError::Forged);
}

#[test]
fn b05_another_key_encryption_key_is_distinguished_from_a_forgery() {
    let other = KeyEncryptionKey::new(&[0x4c; 32]);
    let opened = other.unseal(&sealed(), "uat-1", Purpose::AccessToken, HERE);
    assert_eq!(opened.unwrap_err(), UnsealError::OtherKey);
    // An attacker with write access replaces the name of the KEK.
    let mut renamed = sealed();
    renamed.0[1..9].copy_from_slice(&other.seal(b"", "", Purpose::AccessToken, HERE).0[1..9]);
    let opened = other.unseal(&renamed, "uat-1", Purpose::AccessToken, HERE);
    assert_eq!(opened.unwrap_err(), UnsealError::Forged);
}

#[test]
fn b05_a_sealed_key_with_one_flipped_bit_does_not_unseal() {
    let sealed = sealed();
    assert_eq!(sealed.0.len(), 1 + 8 + 12 + SECRET.len() + 16);
    for at in 0..sealed.0.len() {
        for bit in 0..8 {
            let mut damaged = sealed.clone();
            damaged.0[at] ^= 1 << bit;
            let expected = match at {
                1..=8 => UnsealError::OtherKey,
                _ => UnsealError::Forged,
            };
            assert_eq!(unseal(&damaged), Err(expected), "byte {at}");
        }
        assert!(unseal(&Sealed(sealed.0[..at].to_vec())).is_err(), "{at} bytes");
    }
    let longer = Sealed([sealed.0.as_slice(), &[0]].concat());
    assert_eq!(unseal(&longer), Err(UnsealError::Forged));
    // Versions 0 and 2 do not exist.
    for version in [0, 2] {
        let mut other = sealed.clone();
        other.0[0] = version;
        assert_eq!(unseal(&other), Err(UnsealError::Forged));
    }
}

#[test]
fn b05_a_sealed_key_unseals_to_the_same_key() {
    for key in KEYS.iter() {
        let place = (key.kid(), Purpose::AccessToken, HERE);
        let stored = kek().seal(&key.to_pkcs8().unwrap(), place.0, place.1, place.2);
        let read = kek().unseal(&stored, place.0, place.1, place.2).unwrap();
        let again = SigningKey::from_pkcs8(key.kid().into(), key.algorithm(), &read).unwrap();
        assert_eq!(again.jwk(), key.jwk());
        assert_eq!(again.kid(), key.kid());
        if key.algorithm() != Algorithm::ES256 {
            // RSA PKCS#1 v1.5 and Ed25519 are deterministic, so the signatures are the same.
            assert_eq!(again.sign_jws("at+jwt", b"{}"), key.sign_jws("at+jwt", b"{}"));
        }
        for other in ALGORITHMS {
            let read_as = SigningKey::from_pkcs8(key.kid().into(), other, &read);
            assert_eq!(read_as.is_ok(), other == key.algorithm(), "{other:?}");
        }
        assert!(SigningKey::from_pkcs8(key.kid().into(), key.algorithm(), &read[..20]).is_err());
    }
}

#[test]
fn b01_a_jwk_has_only_public_members() {
    let members = |jwk: &Jwk| {
        let value = serde_json::to_value(jwk).unwrap();
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    for (key, expected) in KEYS.iter().zip([
        vec!["alg", "e", "kid", "kty", "n", "use"],
        vec!["alg", "crv", "kid", "kty", "use", "x", "y"],
        vec!["alg", "crv", "kid", "kty", "use", "x"],
    ]) {
        let jwk = key.jwk();
        let mut members = members(&jwk);
        members.sort();
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        expected.sort();
        assert_eq!(members, expected);
        assert_eq!((jwk.kid.as_str(), jwk.use_.as_str()), (key.kid(), "sig"));
        assert_eq!(jwk.alg, key.algorithm().as_str());
        let length = |member: &Option<String>| {
            member
                .as_ref()
                .map(|text| URL_SAFE_NO_PAD.decode(text).unwrap().len())
        };
        let lengths = (length(&jwk.n), length(&jwk.x), length(&jwk.y));
        let (kty, crv, sizes) = match key.algorithm() {
            Algorithm::RS256 => ("RSA", None, (Some(256), None, None)),
            Algorithm::ES256 => ("EC", Some("P-256"), (None, Some(32), Some(32))),
            Algorithm::EdDSA => ("OKP", Some("Ed25519"), (None, Some(32), None)),
        };
        assert_eq!((jwk.kty.as_str(), jwk.crv.as_deref(), lengths), (kty, crv, sizes));
    }
    assert_eq!(KEYS[0].jwk().e.as_deref(), Some("AQAB"));
}

#[test]
fn b01_a_key_id_is_derived_from_public_key_and_environment() {
    let jwk = KEYS[1].jwk();
    let decode = |member: Option<String>| URL_SAFE_NO_PAD.decode(member.unwrap()).unwrap();
    let point = [vec![4], decode(jwk.x), decode(jwk.y)].concat();
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &point).as_ref()[..12]);
    assert_eq!(KEYS[1].kid(), format!("uat-{hash}"));
    for algorithm in ALGORITHMS {
        let other = SigningKey::generate(algorithm, Environment::Production).unwrap();
        assert!(other.kid().starts_with("production-"));
        let kids: Vec<&str> = KEYS.iter().chain([&other]).map(SigningKey::kid).collect();
        for (at, kid) in kids.iter().enumerate() {
            assert!(!kids[..at].contains(kid), "{kid} twice");
        }
        let mine = KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap();
        let suffix = |kid: &str| kid.split_once('-').unwrap().1.to_owned();
        assert_ne!(suffix(mine.kid()), suffix(other.kid()), "different keys");
    }
}

#[test]
fn e12_a_mac_key_verifies_only_its_own_macs() {
    let key = MacKey::new("uat-mac-1".into(), &[7; 32]).unwrap();
    let token = key.sign_jws("rt+jwt", b"{}");
    let jws = CompactJws::parse(&token).unwrap();
    assert_eq!(
        (key.kid(), jws.header.kid.as_deref()),
        ("uat-mac-1", Some("uat-mac-1"))
    );
    assert_eq!(jws.header.alg, "HS256");
    let reference = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    hmac::verify(&reference, jws.signing_input, &jws.signature).unwrap();
    assert!(key.verifies(jws.signing_input, &jws.signature));
    assert!(!key.verifies(b"another text", &jws.signature));
    assert!(!key.verifies(jws.signing_input, &jws.signature[..31]) && !key.verifies(jws.signing_input, &[]));
    let other = MacKey::new("uat-mac-1".into(), &[8; 32]).unwrap();
    assert!(!other.verifies(jws.signing_input, &jws.signature));
    for length in [0, 16, 31, 33, 64] {
        assert!(
            MacKey::new("x".into(), &vec![7; length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn e12_a_mac_key_id_names_the_environment_and_reveals_no_key_bytes() {
    let name = MacKey::kid_of(&[7; 32], HERE);
    assert_eq!(name, MacKey::kid_of(&[7; 32], HERE));
    assert!(name.starts_with("uat-mac-") && name.len() == "uat-mac-".len() + 12);
    assert_ne!(name, MacKey::kid_of(&[8; 32], HERE));
    assert!(MacKey::kid_of(&[7; 32], Environment::Production).starts_with("production-mac-"));
    let plain = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &[7; 32]).as_ref()[..9]);
    assert!(!name.ends_with(&plain), "the id is not a plain hash of the key");
}

#[test]
fn i10_debug_does_not_show_the_bytes_of_a_key() {
    assert_eq!(format!("{:?}", KEYS[0]), format!("SigningKey({})", KEYS[0].kid()));
    let mac = MacKey::new("uat-mac-1".into(), &[7; 32]).unwrap();
    assert_eq!(format!("{mac:?}"), "MacKey(uat-mac-1)");
    let kek = format!("{:?}", kek());
    assert!(
        kek.starts_with("KeyEncryptionKey([") && !kek.contains("4b, 4b"),
        "{kek}"
    );
}

#[test]
fn algorithms_parse_back_from_their_names() {
    for (algorithm, name) in ALGORITHMS.into_iter().zip(["RS256", "ES256", "EdDSA"]) {
        assert_eq!(algorithm.as_str(), name);
        assert_eq!(Algorithm::parse(name), Some(algorithm));
    }
    for other in ["none", "HS256", "rs256", ""] {
        assert_eq!(Algorithm::parse(other), None);
    }
}
