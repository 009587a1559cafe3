//! The signature and its encodings.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::PATH;
use crate::signature_forms::{der, raw, sign_bytes};
use crate::support::{START, TestKey, TestServer};

fn with_signature(key: &TestKey, signature: impl Into<Value>) -> Value {
    json!({ "key_id": key.id(), "timestamp": START, "signature": signature.into() })
}

#[tokio::test]
async fn d11_raw_and_der_signatures_are_accepted_in_all_base64_variants() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for engine in [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD_NO_PAD, &STANDARD] {
        for in_der in [false, true] {
            // Each encoding gets a new signature: the same one would be a replay.
            let raw = raw(&key.sign(&format!("{}.{START}", key.id())));
            let bytes = if in_der { der(raw) } else { raw.to_vec() };
            let answer = server
                .post(PATH, &with_signature(&key, engine.encode(bytes)))
                .await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

/// `base64` ends its output with a line break, and wraps it after 76 characters.
#[tokio::test]
async fn r55_line_breaks_in_a_signature_are_skipped_and_a_replay_stays_one() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for (at, line_break) in [(76, "\n"), (76, "\r\n"), (43, " ")] {
        let raw = raw(&key.sign(&format!("{}.{START}", key.id())));
        let text = STANDARD.encode(raw);
        let wrapped = format!("{}{line_break}{}{line_break}", &text[..at], &text[at..]);
        let answer = server.post(PATH, &with_signature(&key, wrapped.clone())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for again in [wrapped, text.clone(), format!("{text}\n")] {
            server
                .post(PATH, &with_signature(&key, again))
                .await
                .assert_error(401, "replayed");
        }
    }
}

#[tokio::test]
async fn d11_d12_other_encodings_are_refused_as_malformed() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let signature = key.sign(&format!("{}.{START}", key.id()));
    let raw = raw(&signature);
    let der = der(raw);
    let mut padded_der = der.clone();
    padded_der.splice(2..4, [2, der[3] + 1, 0]);
    padded_der[1] += 1;
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut long_length = der.clone();
    long_length.insert(1, 0x81);
    for bad in [
        hex.clone(),
        hex.to_uppercase(),
        format!("{signature}="),
        format!("{signature}==="),
        URL_SAFE_NO_PAD.encode(&raw[..63]),
        URL_SAFE_NO_PAD.encode([raw.as_slice(), &[0]].concat()),
        URL_SAFE_NO_PAD.encode(padded_der),
        URL_SAFE_NO_PAD.encode(long_length),
        URL_SAFE_NO_PAD.encode([der.as_slice(), &[0]].concat()),
        format!("-_+/{}", &signature[4..]),
        String::new(),
        "?".repeat(86),
        "A".repeat(10_000),
        not_canonical(&signature),
    ] {
        let answer = server.post(PATH, &with_signature(&key, bad)).await;
        answer.assert_invalid("bad_signature_encoding", "signature");
    }
    let answer = server
        .post(PATH, &with_signature(&key, "A".repeat(1 << 20)))
        .await;
    answer.assert_error(413, "body_too_large");
    for no_text in [
        json!(null),
        json!(7),
        json!([signature]),
        json!({ "r": "A", "s": "A" }),
    ] {
        let answer = server.post(PATH, &with_signature(&key, no_text)).await;
        answer.assert_invalid("invalid_request", "signature");
    }
    assert_eq!(
        server.post(PATH, &with_signature(&key, signature)).await.status,
        200,
        "refused requests do not use the signature up"
    );
}

/// The same bytes for a lenient decoder: four bits of the last character are unused.
fn not_canonical(signature: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = signature.split_at(85);
    let value = ALPHABET.find(last).unwrap();
    assert_eq!(value % 16, 0, "the original is canonical");
    format!("{rest}{}", &ALPHABET[value + 1..value + 2])
}

#[tokio::test]
async fn d13_only_a_signature_of_the_exact_text_is_accepted() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let (id, text) = (key.id().to_string(), format!("{}.{START}", key.id()));
    let upper = id.to_uppercase();
    for signed in [
        format!("{text}\n"),
        format!(" {text}"),
        format!("{upper}.{START}"),
        format!("{id}{START}"),
        format!("{id}.{}", START + 1),
        format!("{id}.0{START}"),
        format!("{id}.{START}.0"),
        format!("{}.{START}", id.replace('-', "")),
        id.clone(),
        String::new(),
    ] {
        let answer = server.post(PATH, &with_signature(&key, key.sign(&signed))).await;
        answer.assert_error(401, "invalid_credentials");
    }
    let twice = sign_bytes(&key, digest(&SHA256, text.as_bytes()).as_ref());
    let answer = server.post(PATH, &with_signature(&key, twice)).await;
    answer.assert_error(401, "invalid_credentials");
    // The signed text has the key id as the request spells it, here in upper case.
    let shouted =
        json!({ "key_id": upper, "timestamp": START, "signature": key.sign(&format!("{upper}.{START}")) });
    assert_eq!(server.post(PATH, &shouted).await.status, 200);
}

#[tokio::test]
async fn d13_a_registration_proof_is_not_accepted_as_a_challenge() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let proof = key
        .signer
        .registration_proof(server.issuer(), key.account.uid, server.now())
        .unwrap();
    let answer = server.post(PATH, &with_signature(&key, proof.signature)).await;
    answer.assert_error(401, "invalid_credentials");
}

#[tokio::test]
async fn d15_a_key_cannot_sign_for_another_accounts_key() {
    let server = TestServer::start().await;
    let (mine, theirs) = (server.key().await, server.key().await);
    let text = format!("{}.{START}", theirs.id());
    let answer = server
        .post(PATH, &with_signature(&theirs, mine.sign(&text)))
        .await;
    answer.assert_error(401, "invalid_credentials");
    let answer = server
        .post(
            PATH,
            &with_signature(&theirs, mine.sign(&format!("{}.{START}", mine.id()))),
        )
        .await;
    answer.assert_error(401, "invalid_credentials");
}
