//! Malformed answers.

use serde_json::{Value, json};

use super::{SIGN_IN, SIGN_UP};
use crate::support::authenticator::{Authenticator, HAS_EXTENSIONS, base64, cbor};
use crate::support::{Answer, TestServer};

/// Signs up, after `change` was applied to the answer's JSON.
async fn sign_up(server: &TestServer, change: impl FnOnce(&mut Value)) -> Answer {
    let mut visitor = server.visitor();
    let options = visitor.begin(SIGN_UP).await;
    let mut answer = Authenticator::new().create(&options, &server.origin).answer();
    change(&mut answer);
    let answer = visitor.finish(SIGN_UP, &answer).await;
    assert_eq!(visitor.sid().is_some(), answer.status == 201);
    answer
}

#[tokio::test]
async fn g18_a_malformed_attestation_object_is_refused() {
    let server = TestServer::start().await;
    let options = server.visitor().begin(SIGN_UP).await;
    let sample = Authenticator::new().create(&options, &server.origin);
    let object = sample.object();
    let deep = |levels: usize| [vec![0x81; levels], vec![0x01]].concat();
    let with_statement = |statement: &[u8]| {
        [
            &[0xa3][..],
            &cbor(3, b"fmt"),
            &cbor(3, b"none"),
            &cbor(3, b"attStmt"),
            statement,
            &cbor(3, b"authData"),
            &cbor(2, &sample.auth_data()),
        ]
        .concat()
    };
    let mut objects = vec![
        Vec::new(),
        vec![0xff],
        b"{}".to_vec(),
        vec![0xa0],
        vec![0xbf],
        // Announces four billion entries.
        vec![0xba, 0xff, 0xff, 0xff, 0xff],
        [&object[..], &[0]].concat(),
        with_statement(&deep(20)),
        with_statement(&deep(10_000)),
        deep(40_000),
        // `fmt` occurs twice.
        [&[0xa4][..], &object[1..], &cbor(3, b"fmt"), &cbor(3, b"none")].concat(),
    ];
    objects.extend(
        (1..object.len())
            .step_by(7)
            .map(|length| object[..length].to_vec()),
    );
    for bad in objects {
        let answer = sign_up(&server, |answer| {
            answer["response"]["attestationObject"] = json!(base64(&bad));
        });
        let answer = answer.await;
        answer.assert_invalid("passkey_refused", "credential");
        // Longer than the failure limit remembers one failure.
        server.advance(10);
    }
    assert_eq!(server.store.accounts().await.unwrap(), []);
}

#[tokio::test]
async fn g18_truncated_authenticator_data_and_trailing_bytes_are_refused() {
    let server = TestServer::start().await;
    let mut visitor = server.visitor();
    for (flags, key, rest) in [
        // Trailing bytes, with and without the flag for extensions.
        (0, None, vec![0]),
        (HAS_EXTENSIONS, None, vec![0xa0, 0x00]),
        (HAS_EXTENSIONS, None, Vec::new()),
        (HAS_EXTENSIONS, None, vec![0xff]),
        (HAS_EXTENSIONS, None, [vec![0x81; 5000], vec![0]].concat()),
        // No key, a truncated key, an item that is not a key.
        (0, Some(Vec::new()), Vec::new()),
        (0, Some(vec![0xa5, 0x01, 0x02, 0x03]), Vec::new()),
        (0, Some(cbor(2, &[4; 65])), Vec::new()),
        (0, Some([vec![0x81; 5000], vec![0]].concat()), Vec::new()),
        (0, Some(vec![0xa2, 0x01, 0x02, 0x01, 0x02]), Vec::new()),
    ] {
        let options = visitor.begin(SIGN_UP).await;
        let mut made = Authenticator::new().create(&options, &server.origin);
        made.flags |= flags;
        made.rest = rest;
        if let Some(key) = key {
            made.key = key;
        }
        visitor
            .finish(SIGN_UP, &made.answer())
            .await
            .assert_invalid("passkey_refused", "credential");
    }
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    for (flags, rest) in [
        (0, vec![0]),
        (HAS_EXTENSIONS, Vec::new()),
        (HAS_EXTENSIONS, vec![0xa0, 0xa0]),
        (HAS_EXTENSIONS, [vec![0x81; 5000], vec![0]].concat()),
        // The flag for a credential, without one.
        (1 << 6, Vec::new()),
    ] {
        let options = visitor.begin(SIGN_IN).await;
        let mut used = authenticator.get(&options, &server.origin);
        used.flags |= flags;
        used.rest = rest;
        let answer = visitor.finish(SIGN_IN, &used.answer(&authenticator)).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    // An unsolicited extension is accepted.
    let options = visitor.begin(SIGN_IN).await;
    let mut used = authenticator.get(&options, &server.origin);
    used.flags |= HAS_EXTENSIONS;
    used.rest = [&[0xa1][..], &cbor(3, b"tomorrow"), &[0xf5]].concat();
    let answer = visitor.finish(SIGN_IN, &used.answer(&authenticator)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn g18_a_body_that_is_too_large_or_not_an_answer_is_refused() {
    let server = TestServer::start().await;
    let large = |bytes: usize| base64(&vec![0xa0; bytes]);
    let answer = sign_up(&server, |answer| {
        answer["response"]["attestationObject"] = json!(large(1 << 20));
    });
    assert_eq!(answer.await.code(), "body_too_large");
    // Larger than the limit of other bodies, within the limit here.
    let answer = sign_up(&server, |answer| {
        answer["response"]["attestationObject"] = json!(large(40_000));
    });
    answer.await.assert_invalid("passkey_refused", "credential");
    for (path, value) in [
        ("rawId", json!("AAAA")),
        ("id", json!("AAAA")),
        ("type", json!("password")),
    ] {
        let answer = sign_up(&server, |answer| answer[path] = value).await;
        answer.assert_invalid("passkey_refused", "credential");
    }
    for (path, value) in [
        ("id", json!("=")),
        ("id", json!("A+/A")),
        ("id", json!(7)),
        ("response", json!({})),
        ("response", json!(null)),
    ] {
        let answer = sign_up(&server, |answer| answer[path] = value).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_request"),
            "{path}: {answer:?}"
        );
    }
    for name in ["", "   ", "a\nb", "a\u{202e}b", &"x".repeat(65)] {
        let body = json!({ "display_name": name });
        let mut visitor = server.visitor();
        let answer = visitor
            .call(reqwest::Method::POST, &format!("{SIGN_UP}/options"), Some(&body))
            .await;
        answer.assert_invalid("invalid_request", "display_name");
    }
}
