//! A private key in place of the public one: the owner is told, and no part of it is kept.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATH, key_count, register_as};
use crate::captured_log::CapturedLog;
use crate::key_forms::{colon_hex, hex, jwk, pem, pkcs8, point, private_number, sec1, spki};
use crate::support::{Answer, TestKey, TestServer};

/// Pieces of a private key that reveal a copy of it in any of the encodings.
fn traces(key: &TestKey) -> Vec<String> {
    let number = private_number(&key.signer);
    let mut traces = vec![hex(&number[..8]), hex(&number[..8]).to_uppercase()];
    // The base64 characters of the number. It begins at byte 36 of a PKCS#8 key and at byte 7 of a
    // SEC1 key.
    for (text, letters) in [
        (STANDARD.encode(pkcs8(&key.signer)), 48..90),
        (STANDARD.encode(sec1(&key.signer)), 10..52),
        (URL_SAFE_NO_PAD.encode(&number), 0..42),
    ] {
        let pieces = text.as_bytes()[letters].chunks_exact(10);
        traces.extend(pieces.map(|piece| String::from_utf8(piece.to_vec()).unwrap()));
    }
    traces
}

fn assert_no_trace(text: &str, key: &TestKey) {
    for trace in traces(key) {
        assert!(!text.contains(&trace), "{trace} is in {text}");
    }
}

#[tokio::test]
async fn c04_c05_r54_a_private_key_is_refused_with_a_clear_message_and_kept_nowhere() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let key = TestKey::unregistered(&server.account().await);
    let signer = &key.signer;
    let mut private_jwk = jwk(&point(signer));
    private_jwk["d"] = json!(signer.private_jwk().unwrap().d);
    let file = serde_json::to_value(signer.key_file("bot", server.now()).unwrap()).unwrap();
    let public = pem("PUBLIC KEY", &spki(&point(signer)));
    let (pkcs8, sec1) = (pkcs8(signer), sec1(signer));
    for submitted in [
        private_jwk.clone(),
        json!(private_jwk.to_string()),
        file.clone(),
        json!(file.to_string()),
        json!(pem("PRIVATE KEY", &pkcs8)),
        json!(pem("PRIVATE KEY", &pkcs8).replace('\n', "\\n")),
        json!(pem("EC PRIVATE KEY", &sec1)),
        json!(pem("ENCRYPTED PRIVATE KEY", &pkcs8)),
        json!(pem("private key", &pkcs8)),
        json!(pem("PRIVATE KEY", &pkcs8).to_lowercase()),
        json!(format!("{public}{}", pem("EC PRIVATE KEY", &sec1))),
        json!(STANDARD.encode(&pkcs8)),
        json!(STANDARD.encode(&sec1)),
        json!(hex(&pkcs8)),
        json!(hex(&private_number(signer))),
        json!(URL_SAFE_NO_PAD.encode(private_number(signer))),
        json!(format!("-----BEGIN RSA PRIVATE KEY-----\n{}", "A".repeat(4000))),
        json!(STANDARD.encode(pem("PRIVATE KEY", &pkcs8))),
        json!(format!(
            "Private-Key: (256 bit)\npriv:\n    {}",
            colon_hex(&private_number(signer))
        )),
        json!(colon_hex(&private_number(signer))),
        json!(format!("0x{}", hex(&private_number(signer)))),
        json!(format!("kty: EC\nd: {}\n", signer.private_jwk().unwrap().d)),
        json!({ "keys": [private_jwk] }),
    ] {
        let answer = register_as(&server, &key, submitted).await;
        answer.assert_invalid("private_key_submitted", "public_key");
        let message = answer.body["message"].as_str().unwrap();
        assert!(
            message.contains("discard it") && message.contains("not stored"),
            "{message}"
        );
        let violation = answer.body["field_violations"][0]["message"].as_str().unwrap();
        assert!(violation.contains("private key ("), "{violation}");
        assert_no_trace(&answer.text, &key);
        assert_eq!(
            log.line_of(answer.header("x-request-id"))["code"],
            "private_key_submitted"
        );
    }
    assert_eq!(key_count(&server, &key).await, 0);
    assert_no_trace(&log.text(), &key);
}

/// In another field or a broken body the service does not recognise a private key, but it does not
/// repeat or log it either.
#[tokio::test]
async fn c04_c05_a_private_key_in_the_wrong_place_is_neither_repeated_nor_logged() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let key = TestKey::unregistered(&server.account().await);
    let secret = json!(STANDARD.encode(pkcs8(&key.signer)));
    let good = key.registration(server.issuer(), server.now());
    let with = |member: &str, value: &Value| {
        let mut body = good.clone();
        body[member] = value.clone();
        body
    };
    let mut bodies: Vec<String> = ["label", "proof", "scopes", "expires_at", "private_key"]
        .map(|member| with(member, &secret).to_string())
        .into();
    bodies.push(with("scopes", &json!([secret])).to_string());
    bodies.push(with("proof", &json!({ "timestamp": secret, "signature": "x" })).to_string());
    bodies.push(with("proof", &json!({ "timestamp": 1, "signature": secret })).to_string());
    bodies.push(with("public_key", &json!([secret])).to_string());
    bodies.push(secret.to_string());
    bodies.push(format!("{{\"public_key\":{secret}"));
    bodies.push(pem("PRIVATE KEY", &pkcs8(&key.signer)));
    for body in bodies {
        let token = server.management_token(&key.account).await;
        let request = server.http.post(server.url(PATH)).bearer_auth(token);
        let request = request.header("content-type", "application/json").body(body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.assert_error(400, answer.code());
        assert_no_trace(&answer.text, &key);
    }
    assert_no_trace(&log.text(), &key);
}

#[tokio::test]
async fn c05_malformed_pem_is_refused() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let key = TestKey::unregistered(&server.account().await);
    let good = pem("PUBLIC KEY", &spki(&point(&key.signer)));
    for bad in [
        good.repeat(2),
        good.replace("BEGIN PUBLIC", "begin public"),
        good.replace("-----BEGIN", "-----Begin"),
        good.replace("-----END PUBLIC KEY-----", ""),
        good.replace("-----BEGIN PUBLIC KEY-----", ""),
        good.replace("PUBLIC KEY", "CERTIFICATE"),
        good.replace("MFkw", "MF~w"),
        good.replace("MFkw", "Proc-Type: 4,ENCRYPTED\n\nMFkw"),
        good.replace("PUBLIC KEY", "junk KEY"),
        format!("{good}{}", "A".repeat(10 << 10)),
        "-----BEGIN PUBLIC KEY-----".to_owned(),
    ] {
        let answer = register_as(&server, &key, json!(bad)).await;
        answer.assert_invalid("invalid_public_key", "public_key");
    }
    let megabyte = json!(format!("{good}{}", "A".repeat(1 << 20)));
    register_as(&server, &key, megabyte)
        .await
        .assert_error(413, "body_too_large");
    let body = STANDARD.encode(spki(&point(&key.signer)));
    for piece in [&body[40..60], "ENCRYPTED", "junk", "AAAAAAAAAAAA"] {
        assert!(!log.text().contains(piece), "{piece}");
    }
    let right = server.manage(
        &key.account,
        Method::POST,
        PATH,
        Some(key.registration(server.issuer(), server.now())),
    );
    assert_eq!(right.await.status, 201);
}
