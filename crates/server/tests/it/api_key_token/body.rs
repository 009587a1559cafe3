//! The request body: its syntax, media type, encoding and size.

use serde_json::json;

use super::PATH;
use crate::support::{START, TestServer};

const JSON: &str = "application/json";

#[tokio::test]
async fn d04_a_timestamp_that_is_not_a_valid_integer_is_refused() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for timestamp in [
        "-1",
        "-9223372036854775808",
        "1.8e9",
        "1800000000.0",
        "\"1800000000\"",
        "null",
        "true",
        "[]",
        "{}",
        "9223372036854775808",
        "18446744073709551616",
        "1e400",
        "01800000000",
        "+1800000000",
        "0x6b49d200",
        "NaN",
    ] {
        // The signature covers `START`, so only its spelling is wrong in `1.8e9` and the like.
        let signature = key.sign(&format!("{}.{START}", key.id()));
        let body = format!(
            r#"{{"key_id":"{}","timestamp":{timestamp},"signature":"{signature}"}}"#,
            key.id()
        );
        let answer = server.post_raw(PATH, JSON, body).await;
        answer.assert_error(400, "invalid_request");
        // If the body is not JSON, the error names the position.
        let violation = answer.body["field_violations"][0].to_string();
        assert!(
            violation.contains("timestamp") || violation.contains("column"),
            "{timestamp}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn d04_a_missing_field_is_named() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for field in ["key_id", "timestamp", "signature"] {
        let mut body = key.challenge(server.now());
        body.as_object_mut().unwrap().remove(field);
        let answer = server.post(PATH, &body).await;
        answer.assert_error(400, "invalid_request");
        assert!(
            answer.body["message"].as_str().unwrap().contains(field),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn d05_a_duplicate_field_is_refused() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let good = key.challenge(server.now());
    for field in ["key_id", "timestamp", "signature"] {
        for second in [good[field].clone(), json!("b"), json!(null)] {
            let text = good.to_string();
            let body = format!(r#"{},"{field}":{second}}}"#, text.strip_suffix('}').unwrap());
            let answer = server.post_raw(PATH, JSON, body).await;
            answer.assert_error(400, "invalid_request");
            assert!(
                answer.body["message"].as_str().unwrap().contains(field),
                "{answer:?}"
            );
        }
    }
    assert_eq!(
        server.post(PATH, &good).await.status,
        200,
        "refused requests do not use the signature up"
    );
}

#[tokio::test]
async fn d14_a_malformed_key_id_is_refused_and_not_logged() {
    let log = crate::captured_log::CapturedLog::start();
    let server = TestServer::start().await;
    let id = server.key().await.id().to_string();
    for bad in [
        String::new(),
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        format!("{id}."),
        format!("{}\0", &id[..35]),
        format!("{}%2e", &id[..33]),
        format!("{}\u{ff10}", &id[..35]), // a full-width zero
        format!("{}' OR 1=1 --", &id[..10]),
        "\n{\"level\":\"ERROR\"}\u{1b}[31m\u{2028}".to_owned(),
        "x".repeat(10 << 10),
    ] {
        let challenge = json!({ "key_id": bad, "timestamp": START, "signature": "A".repeat(86) });
        let answer = server.post(PATH, &challenge).await;
        answer.assert_invalid("invalid_request", "key_id");
        let line = log.line_of(answer.header("x-request-id"));
        assert_eq!(line["code"], "invalid_request");
    }
    let text = log.text();
    for trace in [
        "OR 1=1",
        "%2e",
        "urn:uuid",
        "\u{ff10}",
        "\u{2028}",
        "\u{1b}",
        "[31m",
        &"x".repeat(100),
    ] {
        assert!(!text.contains(trace), "{trace:?}");
    }
}

#[tokio::test]
async fn d18_i01_r52_r57_only_uncompressed_json_in_utf8_is_read() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let good = key.challenge(server.now()).to_string();
    for content_type in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jwt",
        "application/json; charset=utf-16",
        "application/json; charset = utf-16",
        "application/json; charset=iso-8859-1",
        "application/json, text/plain",
        "application/jsonp",
        "",
    ] {
        let answer = server.post_raw(PATH, content_type, good.clone()).await;
        answer.assert_error(415, "unsupported_media_type");
    }
    let without = server
        .http
        .post(server.url(PATH))
        .body(good.clone())
        .send()
        .await
        .unwrap();
    crate::support::Answer::of(without)
        .await
        .assert_error(415, "unsupported_media_type");
    for coding in ["gzip", "deflate", "br", "zstd", "identity", "x"] {
        let request = server.http.post(server.url(PATH)).header("content-type", JSON);
        let request = request.header("content-encoding", coding).body(good.clone());
        crate::support::Answer::of(request.send().await.unwrap())
            .await
            .assert_error(415, "unsupported_media_type");
    }

    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let unread: [Vec<u8>; 8] = [
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        utf16,
        format!("{good}{good}").into_bytes(),
        good.replace('"', "'").into_bytes(),
        good.replace(":", ":\u{a0}").into_bytes(),
    ];
    for body in unread {
        let answer = server.post_raw(PATH, JSON, body).await;
        answer.assert_error(400, "invalid_request");
    }
    // A byte that is not valid UTF-8.
    let mut latin1 = good.clone().into_bytes();
    latin1.insert(2, 0xe9);
    server
        .post_raw(PATH, JSON, latin1)
        .await
        .assert_error(400, "invalid_request");

    for content_type in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json; charset=utf8",
    ] {
        let challenge = key.challenge(server.now()).to_string();
        assert_eq!(
            server.post_raw(PATH, content_type, challenge).await.status,
            200,
            "{content_type}"
        );
    }
    // A byte order mark (RFC 8259 section 8.1 allows to ignore it).
    let marked = format!("\u{feff}{}", key.challenge(server.now()));
    assert_eq!(server.post_raw(PATH, JSON, marked).await.status, 200);
}

#[tokio::test]
async fn i01_a_body_is_at_most_16_kb() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let good = key.challenge(server.now()).to_string();
    let exactly = format!("{good}{}", " ".repeat(16 * 1024 - good.len()));
    let one_more = format!("{exactly} ");
    server
        .post_raw(PATH, JSON, one_more)
        .await
        .assert_error(413, "body_too_large");
    assert_eq!(server.post_raw(PATH, JSON, exactly).await.status, 200);
}

#[tokio::test]
async fn i04_json_that_is_deep_or_wide_or_broken_is_refused_without_a_crash() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let members = |count: usize| -> String {
        let all: Vec<String> = (0..count).map(|index| format!("\"{index}\":1")).collect();
        format!("{{{}}}", all.join(","))
    };
    for too_large in [
        "[".repeat(100_000),
        members(1_000_000),
        format!("\"{}\"", "a".repeat(1 << 20)),
    ] {
        server
            .post_raw(PATH, JSON, too_large)
            .await
            .assert_error(413, "body_too_large");
    }
    let nested = |field: &str| format!(r#"{{"{field}":{}"#, "[".repeat(16_000));
    for body in [
        "[".repeat(16 * 1024),
        "{\"a\":".repeat(3_000),
        nested("key_id"),
        nested("unknown"),
        format!(r#"{{"unknown":{}{}}}"#, "[".repeat(8_000), "]".repeat(8_000)),
        members(1_500),
        r#"{"key_id":"\ud800","timestamp":1,"signature":"s"}"#.to_owned(),
        r#"{"key_id":"\udc00\ud800","timestamp":1,"signature":"s"}"#.to_owned(),
        "{\"key_id\":\"a\0\",\"timestamp\":1,\"signature\":\"s\"}".to_owned(),
        r#"{"key_id":"a\u0000","timestamp":1,"signature":"s"}"#.to_owned(),
        format!(
            r#"{{"key_id":"{}","timestamp":1,"signature":"s"}}"#,
            "a".repeat(16_000)
        ),
    ] {
        let answer = server.post_raw(PATH, JSON, body).await;
        answer.assert_error(400, "invalid_request");
    }
    // `POST /api-keys` takes a JWK of any shape, which is parsed as a generic JSON value.
    let account = server.account().await;
    for jwk in [
        "{\"a\":".repeat(2_000),
        format!("{{\"a\":{}{}}}", "[".repeat(7_000), "]".repeat(7_000)),
        members(1_500),
    ] {
        let token = server.management_token(&account).await;
        let body = format!(r#"{{"label":"x","public_key":{jwk},"proof":{{"timestamp":1,"signature":"s"}}}}"#);
        let request = server.http.post(server.url("/api-keys")).bearer_auth(token);
        let request = request.header("content-type", JSON).body(body);
        let answer = crate::support::Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.error_body();
    }
    assert_eq!(
        server.post(PATH, &key.challenge(server.now())).await.status,
        200,
        "the service still works"
    );
}
