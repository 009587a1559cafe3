//! Tokens whose signature or key is not the issuer's.

use aws_lc_rs::hmac;
use serde_json::json;
use tm_auth_proto::compact::Malformed;
use tm_auth_verifier::testing::TestKey;
use tm_auth_verifier::{Algorithm, InvalidToken};

use crate::support::{Fixture, encode, token};

/// The order of the P-256 group.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The DER before the point in a SubjectPublicKeyInfo of P-256.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

#[tokio::test]
async fn a01_alg_none_is_refused_in_every_spelling() {
    let fixture = Fixture::new().await;
    let kid = fixture.issuer.signing_key().kid().to_owned();
    for alg in [
        "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES384", "RS1",
    ] {
        let header = json!({ "alg": alg, "kid": kid, "typ": "at+jwt" }).to_string();
        for signature in ["", "sig"] {
            let forged = token(&header, fixture.payload(), signature);
            fixture
                .refuses(&forged, InvalidToken::AlgorithmNotPermitted)
                .await;
        }
    }
    let unsigned = token(&fixture.header().to_string(), fixture.payload(), "");
    fixture.refuses(&unsigned, InvalidToken::BadSignature).await;
}

#[tokio::test]
async fn a02_an_hmac_keyed_with_the_public_key_is_refused() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        let fixture = Fixture::with(algorithm).await;
        let key = fixture.issuer.signing_key();
        let der = match algorithm {
            Algorithm::ES256 => [&SPKI_P256, key.public_bytes()].concat(),
            _ => key.public_bytes().to_vec(),
        };
        let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
        let jwk = serde_json::to_vec(&key.jwk()).unwrap();
        for secret in [key.public_bytes(), &der, pem.as_bytes(), &jwk] {
            for alg in ["HS256", algorithm.as_str()] {
                let header = json!({ "alg": alg, "kid": key.kid(), "typ": "at+jwt" }).to_string();
                let input = format!("{}.{}", encode(header), encode(fixture.payload()));
                let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
                let expected = match alg {
                    "HS256" => InvalidToken::AlgorithmNotPermitted,
                    _ => InvalidToken::BadSignature,
                };
                fixture
                    .refuses(&format!("{input}.{}", encode(mac)), expected)
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn a03_degenerate_ecdsa_signatures_are_refused() {
    let fixture = Fixture::new().await;
    let number = |low: u8| {
        let mut bytes = [0; 32];
        bytes[31] = low;
        bytes
    };
    let mut n_less_1 = N;
    n_less_1[31] -= 1;
    let numbers = [number(0), number(1), n_less_1, N];
    let header = fixture.header().to_string();
    for r in numbers {
        for s in numbers {
            let forged = token(&header, fixture.payload(), [r, s].concat());
            fixture.refuses(&forged, InvalidToken::BadSignature).await;
        }
    }
    let payload = fixture.payload();
    let input = format!("{}.{}", encode(&header), encode(&payload));
    let good = fixture.issuer.signing_key().sign(input.as_bytes());
    fixture.accepts(&token(&header, &payload, &good)).await;
    for other_length in [&[][..], &good[..63], &good[1..], &[&good[..], &[0]].concat()] {
        fixture
            .refuses(
                &token(&header, &payload, other_length),
                InvalidToken::BadSignature,
            )
            .await;
    }
    let (r, s) = good.split_at(32);
    for half_zero in [[r, &[0; 32]].concat(), [&[0; 32], s].concat(), [s, r].concat()] {
        fixture
            .refuses(&token(&header, &payload, half_zero), InvalidToken::BadSignature)
            .await;
    }
}

#[tokio::test]
async fn a04_a_der_signature_is_refused() {
    let fixture = Fixture::new().await;
    let (header, payload) = (fixture.header().to_string(), fixture.payload());
    let input = format!("{}.{}", encode(&header), encode(&payload));
    let fixed = fixture.issuer.signing_key().sign(input.as_bytes());
    let integer = |number: &[u8]| {
        let start = number.iter().position(|byte| *byte != 0).unwrap();
        let mut number = number[start..].to_vec();
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        [&[2, u8::try_from(number.len()).unwrap()], &number[..]].concat()
    };
    let numbers = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    let der = [&[0x30, u8::try_from(numbers.len()).unwrap()], &numbers[..]].concat();
    fixture
        .refuses(&token(&header, &payload, der), InvalidToken::BadSignature)
        .await;
    fixture.accepts(&token(&header, &payload, fixed)).await;
}

#[tokio::test]
async fn a15_a_foreign_key_with_the_same_kid_and_a_removed_key_are_refused() {
    for algorithm in Algorithm::ALL {
        let fixture = Fixture::with(algorithm).await;
        let key = fixture.issuer.signing_key();
        let foreign = TestKey::generate(key.kid(), algorithm);
        let input = format!(
            "{}.{}",
            encode(fixture.header().to_string()),
            encode(fixture.payload())
        );
        let forged = format!("{input}.{}", encode(foreign.sign(input.as_bytes())));
        fixture.refuses(&forged, InvalidToken::BadSignature).await;

        let before = fixture.good();
        fixture.issuer.rotate();
        fixture.verifier.refresh().await.unwrap();
        fixture.accepts(&before).await;
        fixture.accepts(&fixture.good()).await;
        fixture.issuer.retire_old_keys();
        fixture.verifier.refresh().await.unwrap();
        fixture.refuses(&before, InvalidToken::UnknownKey).await;
        fixture.accepts(&fixture.good()).await;
    }
}

#[tokio::test]
async fn a15_an_alg_that_is_not_the_keys_is_refused() {
    let fixture = Fixture::new().await;
    for alg in ["RS256", "EdDSA"] {
        let mut header = fixture.header();
        header["alg"] = alg.into();
        let forged = fixture.issuer.sign_raw(&header, &fixture.payload());
        fixture.refuses(&forged, InvalidToken::AlgorithmMismatch).await;
    }
}

#[tokio::test]
async fn a15_a_changed_token_is_refused() {
    let fixture = Fixture::new().await;
    let good = fixture.good();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let mut richer = fixture.claims();
    richer.scope = "read trade transfer admin".to_owned();
    let richer = encode(serde_json::to_vec(&richer).unwrap());
    fixture
        .refuses(
            &format!("{header}.{richer}.{signature}"),
            InvalidToken::BadSignature,
        )
        .await;
    fixture
        .refuses(&format!("{header}.{payload}"), Malformed::Parts.into())
        .await;
    let spaced = fixture.header().to_string().replace(':', ": ");
    fixture
        .refuses(
            &format!("{}.{payload}.{signature}", encode(spaced)),
            InvalidToken::BadSignature,
        )
        .await;
}
