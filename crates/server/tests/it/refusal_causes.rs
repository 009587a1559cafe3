//! The line of a refused request says why it was refused, in words of this service.

use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_proto::KeyId;
use tm_auth_server::random;

use super::apple::{come_back, configure, leave, team_key};
use crate::captured_log::CapturedLog;
use crate::support::authenticator::Authenticator;
use crate::support::{Answer, TestKey, TestServer};

/// The field `error` of the line about this request.
fn cause(log: &CapturedLog, answer: &Answer) -> Value {
    let request_id = answer.header("x-request-id");
    let text = log.text();
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["message"] == "request" && line["request_id"] == request_id);
    let line = lines.next().expect("each request is logged");
    assert_eq!(line["level"], "INFO");
    assert!(line["code"].is_string(), "{line}");
    line["error"].clone()
}

#[tokio::test]
async fn r13_the_log_says_why_a_passkey_was_refused() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    let mut visitor = server.visitor();
    let path = "/passkeys/sign-in";

    let options = visitor.begin(path).await;
    let given = authenticator.get(&options, &server.origin);
    let forged = visitor.finish(path, &given.answer_with(b"no signature")).await;
    assert_eq!(cause(&log, &forged), "the signature does not verify");
    let again = visitor.finish(path, &given.answer(&authenticator)).await;
    let over = cause(&log, &again);
    assert!(
        over.as_str().unwrap().starts_with("no ceremony of this kind"),
        "{over}"
    );

    let options = visitor.begin(path).await;
    let given = authenticator.get(&options, "https://elsewhere.example");
    let elsewhere = visitor.finish(path, &given.answer(&authenticator)).await;
    assert_eq!(cause(&log, &elsewhere), "another origin");

    visitor.cookies.clear();
    let given = authenticator.get(&options, &server.origin);
    let without_cookie = visitor.finish(path, &given.answer(&authenticator)).await;
    assert_eq!(cause(&log, &without_cookie), "no cookie of a ceremony");
}

#[tokio::test]
async fn r13_the_log_says_why_a_login_with_apple_was_refused() {
    let log = CapturedLog::start();
    let server = TestServer::start_with(|config| {
        configure(config, "https://127.0.0.1:1", team_key().0);
    })
    .await;
    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    let answer = come_back(&mut visitor.clone(), &[("state", "forged\n"), ("code", "c")]).await;
    assert_eq!(cause(&log, &answer), "the state is not this browser's");
    let state = departure.get("state").to_owned();
    let cancelled = [("state", state.as_str()), ("error", "forged\n")];
    let answer = come_back(&mut visitor.clone(), &cancelled).await;
    assert_eq!(cause(&log, &answer), "Apple answered with an error");
    let answer = come_back(&mut visitor.clone(), &cancelled).await;
    assert_eq!(cause(&log, &answer), "the flow is over");
    let answer = come_back(&mut server.visitor(), &cancelled).await;
    assert_eq!(cause(&log, &answer), "no cookie of a flow");
    let url = format!("{}/apple/notifications", server.origin);
    let notification = server.http.post(url).json(&json!({ "payload": "forged\n" }));
    let answer = Answer::of(notification.send().await.unwrap()).await;
    assert_eq!(cause(&log, &answer), "it is not a JWS");
    assert!(!log.text().contains("forged"));
}

#[tokio::test]
async fn r13_the_log_says_why_a_token_a_signature_or_a_request_was_refused() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let account = server.account().await;
    let key_id = KeyId::generate(server.config.environment, random::bytes());
    let key = TestKey::unregistered(&account).registered(key_id);
    let management = server.management_token(&account).await;

    let answer = server.get_with("/api-keys", "forged").await;
    let malformed = cause(&log, &answer);
    assert!(
        malformed.as_str().is_some_and(|cause| !cause.contains("forged")),
        "{malformed}"
    );
    server.advance(3600);
    let answer = server.get_with("/api-keys", &management).await;
    let expired = cause(&log, &answer);
    assert!(
        expired.as_str().is_some_and(|cause| cause.contains("exp")),
        "{expired}"
    );

    let answer = server.post("/api-key/token", &key.challenge(server.now())).await;
    assert_eq!(cause(&log, &answer), "the key does not exist");
    let answer = server
        .post("/token/refresh", &json!({ "refresh_token": "forged" }))
        .await;
    assert_eq!(cause(&log, &answer), "it is not a refresh token");

    let mut visitor = server.visitor();
    let foreign = visitor
        .request(Method::POST, "/sign-in")
        .header("origin", "https://elsewhere.example")
        .header("sec-fetch-site", "cross-site")
        .body("email=a%40example.com");
    let answer = visitor.send(foreign).await;
    assert_eq!(cause(&log, &answer), "Sec-Fetch-Site is not same-origin");
    let step_up = visitor
        .request(Method::POST, "/passkeys/step-up/options")
        .header("sec-fetch-site", "same-origin");
    let answer = visitor.send(step_up).await;
    assert_eq!(cause(&log, &answer), "no cookie of a session, or a malformed one");
}
