//! `POST /api-keys/{key_id}/activate`: a pending key works once its owner confirms that the key
//! file is saved.

use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_proto::challenge;

use super::{PATH, path_of};
use crate::support::{TestKey, TestServer};

/// A key as the page registers it, and the body that activates it.
async fn pending(server: &TestServer) -> (TestKey, Value) {
    let account = server.account().await;
    let key = TestKey::unregistered(&account);
    let mut body = key.registration(server.issuer(), server.now());
    body["pending"] = json!(true);
    let answer = server.manage(&account, Method::POST, PATH, Some(body)).await;
    assert_eq!(
        (answer.status, answer.body["status"].as_str()),
        (201, Some("pending")),
        "{answer:?}"
    );
    let key = key.registered(answer.body["key_id"].as_str().unwrap().parse().unwrap());
    let timestamp = server.now().as_second();
    let text = challenge::activation(server.issuer(), key.id(), timestamp);
    let confirmation = json!({ "timestamp": timestamp, "signature": key.sign(&text) });
    (key, confirmation)
}

fn activation_of(key: &TestKey) -> String {
    format!("{}/activate", path_of(key))
}

#[tokio::test]
async fn a_pending_key_mints_after_its_activation_and_not_before() {
    let server = TestServer::start().await;
    let (key, confirmation) = pending(&server).await;
    // A token request is refused and does not activate the key.
    for _ in 0..2 {
        let answer = server.post("/api-key/token", &key.challenge(server.now())).await;
        answer.assert_error(401, "key_pending");
        server.advance(1);
    }
    let path = activation_of(&key);
    let activate = || server.manage(&key.account, Method::POST, &path, Some(confirmation.clone()));
    let answer = activate().await;
    assert_eq!(
        (answer.status, answer.body["status"].as_str()),
        (200, Some("active")),
        "{answer:?}"
    );
    assert_eq!(activate().await.body, answer.body, "repeating it changes nothing");
    server.mint(&key).await;
}

#[tokio::test]
async fn a_key_is_activated_only_by_its_own_fresh_signature() {
    let server = TestServer::start().await;
    let (key, good) = pending(&server).await;
    let timestamp = server.now().as_second();
    let signed = |text: &str| json!({ "timestamp": timestamp, "signature": key.sign(text) });
    let path = activation_of(&key);
    let activate = |body| server.manage(&key.account, Method::POST, &path, Some(body));
    let registration = challenge::registration(
        server.issuer(),
        key.account.uid,
        key.signer.fingerprint(),
        timestamp,
    );
    let mint = challenge::mint(&key.id().to_string(), timestamp);
    for text in [registration, mint] {
        let answer = activate(signed(&text)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_proof"),
            "{answer:?}"
        );
    }
    // Another account does not find the key.
    let stranger = server.account().await;
    let answer = server
        .manage(&stranger, Method::POST, &path, Some(good.clone()))
        .await;
    answer.assert_error(404, "key_not_found");
    server.advance(301);
    activate(good).await.assert_error(401, "timestamp_out_of_range");
}

#[tokio::test]
async fn an_unconfirmed_key_expires_after_a_day_and_may_be_registered_again() {
    let server = TestServer::start().await;
    let (key, _) = pending(&server).await;
    server.advance(24 * 3600);
    let timestamp = server.now().as_second();
    let text = challenge::activation(server.issuer(), key.id(), timestamp);
    let late = json!({ "timestamp": timestamp, "signature": key.sign(&text) });
    let answer = server
        .manage(&key.account, Method::POST, &activation_of(&key), Some(late))
        .await;
    answer.assert_error(404, "key_not_found");
    server.advance(1);
    let swept = server.store.sweep(server.now(), &server.app.retention()).await;
    assert!(swept.unwrap().deleted >= 1);
    let body = key.registration(server.issuer(), server.now());
    let answer = server.manage(&key.account, Method::POST, PATH, Some(body)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}
