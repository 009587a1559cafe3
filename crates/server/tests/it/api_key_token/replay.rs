//! A challenge opens one session, even if it is sent again or in another encoding.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::PATH;
use crate::signature_forms::{der, negated, raw};
use crate::support::{Answer, TestServer};

#[track_caller]
fn assert_replayed(answer: &Answer) {
    answer.assert_error(401, "replayed");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn d09_a_replayed_request_is_refused() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let challenge = key.challenge(server.now());
    assert_eq!(server.post(PATH, &challenge).await.status, 200);
    for _ in 0..3 {
        assert_replayed(&server.post(PATH, &challenge).await);
    }
    server.advance(30);
    assert_replayed(&server.post(PATH, &challenge).await);
    server.advance(1);
    server
        .post(PATH, &challenge)
        .await
        .assert_error(401, "timestamp_out_of_range");
}

#[tokio::test]
async fn d09_a_replay_is_refused_by_another_node_and_after_a_restart() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let challenge = key.challenge(server.now());
    assert_eq!(server.post(PATH, &challenge).await.status, 200);
    let other = server.another_node().await;
    assert_replayed(&other.post(PATH, &challenge).await);
    drop(other);
    let (folder, clock) = server.stop().await;
    let server = TestServer::start_in(folder, clock, |_| {}).await;
    assert_replayed(&server.post(PATH, &challenge).await);
}

#[tokio::test]
async fn d09_only_one_of_many_concurrent_replays_is_accepted() {
    // High limits, so that no answer is `rate_limited`.
    let server = TestServer::start_with(|config| {
        config.limits.mints_per_key_per_minute = 1000;
        config.limits.failures_per_key_per_minute = 1000;
    })
    .await;
    let server = Arc::new(server);
    let key = server.key().await;
    let challenges = [key.challenge(server.now()), key.challenge(server.now())];
    let mut requests = JoinSet::new();
    for index in 0..100 {
        let (server, challenge) = (Arc::clone(&server), challenges[index % 2].clone());
        requests.spawn(async move { (index % 2, server.post(PATH, &challenge).await) });
    }
    let mut accepted = [0, 0];
    for (which, answer) in requests.join_all().await {
        if answer.status == 200 {
            accepted[which] += 1;
        } else {
            assert_replayed(&answer);
        }
    }
    assert_eq!(accepted, [1, 1]);
}

#[tokio::test]
async fn d09_the_services_own_retry_after_an_unknown_commit_succeeds() {
    let server = TestServer::start().await;
    let faults = server.store.faults();
    let key = server.key().await;
    let challenge = key.challenge(server.now());

    faults.lose_next_answer("open_session");
    let answer = server.post(PATH, &challenge).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        faults.calls("open_session"),
        2,
        "the service stores the session and then retries"
    );
    // The tokens belong to the row that was stored.
    let refreshed = server
        .refresh(answer.body["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    // From a client it is a replay.
    assert_replayed(&server.post(PATH, &challenge).await);
}

#[tokio::test]
async fn d10_another_form_of_the_same_signature_is_a_replay() {
    let server = TestServer::start_with(|config| config.limits.failures_per_key_per_minute = 1000).await;
    let key = server.key().await;
    let challenge = key.challenge(server.now());
    let original = raw(challenge["signature"].as_str().unwrap());
    // Both values of s, raw and DER, in four variants of base64.
    let forms: Vec<String> = [original, negated(original)]
        .into_iter()
        .flat_map(|raw| [raw.to_vec(), der(raw)])
        .flat_map(|bytes| {
            [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(&bytes))
        })
        .collect();
    let with = |signature: &Value| {
        let mut challenge = challenge.clone();
        challenge["signature"] = signature.clone();
        challenge
    };
    let answer = server.post(PATH, &with(&json!(forms[8]))).await;
    assert_eq!(
        answer.status, 200,
        "the signature with n − s is valid too: {answer:?}"
    );
    assert_replayed(&server.post(PATH, &challenge).await);
    for form in &forms {
        assert_replayed(&server.post(PATH, &with(&json!(form))).await);
    }
    // A signature with another r is another challenge: two bots may share a key.
    let second = key.challenge(server.now());
    assert_ne!(second["signature"], challenge["signature"]);
    assert_eq!(server.post(PATH, &second).await.status, 200);
    assert_replayed(&server.post(PATH, &second).await);
}
