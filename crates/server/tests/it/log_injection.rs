//! A request logs one line, which has no text of the client.

use serde_json::{Value, json};

use crate::captured_log::CapturedLog;
use crate::support::{Answer, START, TestServer};

const INJECTED: &str =
    "x\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\u{1b}[2J\u{85}\u{2028}\u{2029}\u{202e}";

#[tokio::test]
async fn i11_a_client_cannot_forge_lines_of_the_log() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let account = server.account().await;
    let mut ids = Vec::new();
    let bodies = [
        (
            "/api-key/token",
            json!({ "key_id": INJECTED, "timestamp": START, "signature": "x" }),
        ),
        (
            "/api-key/token",
            json!({ "key_id": "x", "timestamp": START, "signature": INJECTED }),
        ),
        ("/api-key/token", json!({ INJECTED: INJECTED })),
        ("/token/refresh", json!({ "refresh_token": INJECTED })),
        ("/token/revoke", json!({ "refresh_token": INJECTED })),
    ];
    for (path, body) in &bodies {
        let answer = server.post(path, body).await;
        ids.push(answer.header("x-request-id").to_owned());
    }
    let registration = json!({ "label": INJECTED, "public_key": INJECTED, "proof": { "timestamp": 1, "signature": INJECTED } });
    for body in [registration, json!({ INJECTED: 1 })] {
        let answer = server
            .manage(&account, reqwest::Method::POST, "/api-keys", Some(body))
            .await;
        assert_eq!(answer.status, 400, "{answer:?}");
        ids.push(answer.header("x-request-id").to_owned());
    }
    // Headers, method and path cannot have line breaks, but can have quotes, escapes and bytes
    // beyond ASCII.
    let request = server.http.request(
        reqwest::Method::from_bytes(b"FORGED'`|~").unwrap(),
        server.url("/api-keys/%0A%7B%22level%22%3A%22ERROR%22%7D%1B%5B31m%E2%80%A8?q=forged%0A"),
    );
    let request = request
        .header("user-agent", b"forged\xe2\x80\xa8\"}\t[31m".as_slice())
        .header("authorization", b"Bearer forged\xe2\x80\xa8".as_slice())
        .header("x-forwarded-for", b"forged\xe2\x80\xa8".as_slice())
        .header("x-request-id", "forged");
    let answer = Answer::of(request.send().await.unwrap()).await;
    answer.assert_error(405, "method_not_allowed");
    assert_ne!(answer.header("x-request-id"), "forged");
    ids.push(answer.header("x-request-id").to_owned());

    for id in &ids {
        let line = log.line_of(id);
        assert_eq!(
            (&line["message"], &line["ip"]),
            (&json!("request"), &json!("127.0.0.1"))
        );
        let route = line["route"].as_str().unwrap();
        assert!(route == "unmatched" || route.starts_with("/v1/auth/"), "{line}");
    }
    // The HTTP client of the test logs what it sends. Only the lines of the service count.
    let ours = |line: &&str| {
        let target = serde_json::from_str::<Value>(line).unwrap()["target"].clone();
        target
            .as_str()
            .is_some_and(|target| target.starts_with("tm_auth_"))
    };
    let text = log.text();
    let ours: Vec<&str> = text.lines().filter(ours).collect();
    assert!(ours.len() >= ids.len());
    for line in ours {
        let method = serde_json::from_str::<Value>(line).unwrap()["method"].clone();
        let harmless = line.replace("FORGED'`|~", "");
        assert!(method.is_null() || method.is_string());
        assert!(
            !harmless.contains("forged") && !harmless.chars().any(|c| c.is_control() || !c.is_ascii()),
            "{line}"
        );
    }
}
