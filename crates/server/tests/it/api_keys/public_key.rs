//! Which public keys the service accepts.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{key_count, register_as};
use crate::key_forms::{colon_hex, compressed, hex, jwk, pem, point, spki, spki_of, ssh};
use crate::support::{TestKey, TestServer};

#[tokio::test]
async fn c01_r53_every_form_of_a_p256_key_is_registered_and_mints() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let forms: [fn(&[u8]) -> Value; 18] = [
        |point| json!(pem("PUBLIC KEY", &spki(point))),
        |point| json!(pem("PUBLIC KEY", &spki(point)).replace('\n', "\r\n")),
        |point| json!(pem("PUBLIC KEY", &spki(point)).replace('\n', "\\n")),
        |point| json!(STANDARD.encode(spki(point))),
        |point| json!(URL_SAFE_NO_PAD.encode(spki(point))),
        jwk,
        |point| json!(jwk(point).to_string()),
        |point| json!(hex(point)),
        |point| json!(STANDARD.encode(point)),
        |point| json!(hex(&compressed(point))),
        |point| json!(URL_SAFE_NO_PAD.encode(compressed(point))),
        |point| json!(format!("key of the bot\n{}", pem("PUBLIC KEY", &spki(point)))),
        |point| json!(format!("\u{feff}\"{}\"", pem("PUBLIC KEY", &spki(point)))),
        |point| json!(pem("EC PUBLIC KEY", &spki(point))),
        |point| json!(ssh(point)),
        |point| json!(format!("0x{}", hex(point))),
        |point| json!(colon_hex(point)),
        |point| json!(colon_hex(&compressed(point))),
    ];
    for form in forms {
        let key = TestKey::unregistered(&account);
        let public_key = form(&point(&key.signer));
        let answer = register_as(&server, &key, public_key.clone()).await;
        assert_eq!(answer.status, 201, "{public_key}: {answer:?}");
        assert_eq!(answer.body["fingerprint"], key.signer.fingerprint());
        assert_eq!(answer.body["status"], "active");
        let id: uuid::Uuid = answer.body["key_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(
            (id.get_version_num(), id.get_variant()),
            (8, uuid::Variant::RFC4122)
        );
        let key = key.registered(tm_auth_proto::KeyId(id));
        server.mint(&key).await;
    }
}

/// 118 bits are random, so 40 ids have each of them both set and clear.
#[tokio::test]
async fn c01_key_ids_are_random_except_for_environment_version_and_variant() {
    let server = TestServer::start_with(|config| config.api_keys.max_per_account = 40).await;
    let account = server.account().await;
    let (mut ones, mut zeros) = (0_u128, 0_u128);
    for _ in 0..40 {
        let id = server.key_of(&account).await.id().0.as_u128();
        (ones, zeros) = (ones | id, zeros | !id);
    }
    let fixed = 0xf000_0000_0000_f000_c000_0000_0000_0000_u128;
    assert_eq!((ones & zeros) | fixed, u128::MAX, "{:032x}", ones & zeros);
}

#[tokio::test]
async fn c02_other_curves_and_kinds_are_refused() {
    let server = TestServer::start().await;
    let key = TestKey::unregistered(&server.account().await);
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let k256 = EcdsaKeyPair::generate(&ECDSA_P256K1_SHA256_FIXED_SIGNING).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    // brainpoolP256r1 (RFC 5639), whose points have the same length.
    let brainpool = [
        &[
            0x30, 0x5a, 0x30, 0x14, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 9, 0x2b, 0x24, 3, 3, 2, 8,
            1, 1, 7, 3, 0x42, 0,
        ][..],
        &point(&key.signer),
    ]
    .concat();
    let own = jwk(&point(&key.signer));
    let with = |member: &str, value: Value| {
        let mut jwk = own.clone();
        jwk[member] = value;
        jwk
    };
    let pem = |der: Vec<u8>| json!(pem("PUBLIC KEY", &der));
    for public_key in [
        pem(spki_of(p384.public_key())),
        json!(hex(p384.public_key().as_ref())),
        pem(spki_of(k256.public_key())),
        json!(hex(k256.public_key().as_ref())),
        pem(spki_of(ed25519.public_key())),
        json!(STANDARD.encode(spki_of(rsa.public_key()))),
        pem(brainpool),
        with("crv", json!("P-384")),
        with("crv", json!("secp256k1")),
        with("crv", json!("Ed25519")),
        with("kty", json!("OKP")),
        with("kty", json!("RSA")),
        with("use", json!("enc")),
        with("alg", json!("ES384")),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
        json!({}),
        json!(""),
        json!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9"),
    ] {
        let answer = register_as(&server, &key, public_key).await;
        answer.assert_invalid("invalid_public_key", "public_key");
    }
    for no_key in [json!(null), json!(7), json!(["x"]), json!(true)] {
        let answer = register_as(&server, &key, no_key).await;
        answer.assert_error(400, "invalid_request");
    }
    assert_eq!(key_count(&server, &key).await, 0);
}

#[tokio::test]
async fn c03_invalid_points_are_refused() {
    let server = TestServer::start().await;
    let key = TestKey::unregistered(&server.account().await);
    let good = point(&key.signer);
    let mut off = good.clone();
    off[64] ^= 1;
    let sized = |x: usize, y: usize| {
        let part = |length: usize| URL_SAFE_NO_PAD.encode(vec![1; length]);
        json!({ "kty": "EC", "crv": "P-256", "x": part(x), "y": part(y) })
    };
    // The same curve with explicit parameters, and with another generator (RFC 3279 section 2.3.5).
    let explicit = explicit_parameters(&good, &hex_bytes(GENERATOR));
    let other_generator = explicit_parameters(&good, &good[1..]);
    for public_key in [
        json!(hex(&off)),
        json!(pem("PUBLIC KEY", &spki(&off))),
        jwk(&off),
        json!("00"),
        json!(STANDARD.encode([0])),
        json!(pem("PUBLIC KEY", &[&spki(&[])[..24], &[2, 0, 0]].concat())),
        json!(hex(&[0; 65])),
        json!(hex(&[&[4][..], &[0; 64]].concat())),
        json!(hex(&[&[4][..], &[0xff; 64]].concat())),
        json!(hex(&[&[2][..], &[0xff; 32]].concat())),
        json!(hex(&[&[6 + (good[64] & 1)][..], &good[1..]].concat())),
        json!(hex(&good[..64])),
        json!(hex(&[good.as_slice(), &[0]].concat())),
        json!(hex(&[spki(&good).as_slice(), &[0]].concat())),
        sized(31, 32),
        sized(32, 33),
        sized(33, 31),
        sized(0, 0),
        json!(STANDARD.encode(&explicit)),
        json!(pem("PUBLIC KEY", &other_generator)),
    ] {
        let answer = register_as(&server, &key, public_key).await;
        answer.assert_invalid("invalid_public_key", "public_key");
    }
    assert_eq!(key_count(&server, &key).await, 0);
}

const PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const A: &str = "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc";
const B: &str = "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b";
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const GENERATOR: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                         4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

fn hex_bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// An SPKI with explicit curve parameters instead of a named curve.
fn explicit_parameters(point: &[u8], generator: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        let length = if length < 0x80 {
            vec![length]
        } else {
            vec![0x81, length]
        };
        [&[tag], length.as_slice(), content].concat()
    };
    let integer = |hex: &str| tlv(2, &[&[0], hex_bytes(hex).as_slice()].concat());
    let prime_field = [&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 1, 1][..], &integer(PRIME)].concat();
    let curve = [tlv(4, &hex_bytes(A)), tlv(4, &hex_bytes(B))].concat();
    let base = tlv(4, &[&[4], generator].concat());
    let domain = [
        vec![2, 1, 1],
        tlv(0x30, &prime_field),
        tlv(0x30, &curve),
        base,
        integer(ORDER),
        vec![2, 1, 1],
    ];
    let algorithm = [
        &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1][..],
        &tlv(0x30, &domain.concat()),
    ]
    .concat();
    let key = tlv(3, &[&[0], point].concat());
    let content = [tlv(0x30, &algorithm), key].concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82], length.as_slice(), &content].concat()
}

#[tokio::test]
async fn c06_r51_keys_with_a_published_private_key_are_refused() {
    let server = TestServer::start_with(|config| config.limits.changes_per_account_per_minute = 600).await;
    let key = TestKey::unregistered(&server.account().await);
    let small = (1..=64_u8).map(|d| {
        let mut scalar = [0; 32];
        scalar[31] = d;
        let private = PrivateKey::from_private_key(&ECDH_P256, &scalar).unwrap();
        json!(hex(private.compute_public_key().unwrap().as_ref()))
    });
    let published = [
        // RFC 7515 appendix A.3; RFC 7517 appendix A.1; RFC 6979 appendix A.2.5; RFC 5903 section
        // 8.1
        json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" }),
        json!("0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
        json!("03dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"),
        // The first key of Wycheproof's ECDSA vectors for this curve and hash.
        json!(
            "042927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838c7787964eaac00e5921fb1498a60f4606766b3d9685001558d1a974e7341513e"
        ),
    ];
    let pattern = PrivateKey::from_private_key(&ECDH_P256, &[0x11; 32]).unwrap();
    let pattern = json!(hex(pattern.compute_public_key().unwrap().as_ref()));
    for public_key in small.chain(published).chain([pattern]) {
        let answer = register_as(&server, &key, public_key.clone()).await;
        answer.assert_invalid("known_private_key", "public_key");
    }
    assert_eq!(key_count(&server, &key).await, 0);
}
