//! A challenge opens one session, however often and in whatever form it comes.

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
async fn d09_the_same_request_again_is_refused_until_it_is_too_old() {
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
async fn d09_another_node_and_a_restart_know_it_too() {
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
async fn d09_of_many_at_once_one_is_accepted() {
    // So that no answer is about the rate of requests.
    let server = TestServer::start_with(|config| {
        config.limits.proven_per_key_per_minute = 1000;
        config.limits.unproven_per_key_per_minute = 1000;
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
async fn d09_our_own_retry_after_an_unknown_commit_succeeds() {
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
        "it was stored, and asked for once more"
    );
    // The tokens belong to the row that was stored.
    let refreshed = server
        .refresh(answer.body["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    // To any other caller it is a replay.
    assert_replayed(&server.post(PATH, &challenge).await);
}

#[tokio::test]
async fn d10_another_form_of_the_same_signature_is_a_replay() {
    let server = TestServer::start_with(|config| config.limits.unproven_per_key_per_minute = 1000).await;
    let key = server.key().await;
    let challenge = key.challenge(server.now());
    let original = raw(challenge["signature"].as_str().unwrap());
    // Whichever form comes first.
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
    assert_eq!(answer.status, 200, "n − s verifies as well: {answer:?}");
    assert_replayed(&server.post(PATH, &challenge).await);
    for form in &forms {
        assert_replayed(&server.post(PATH, &with(&json!(form))).await);
    }
    // Another r of the same second is another challenge: two bots may share a key.
    let second = key.challenge(server.now());
    assert_ne!(second["signature"], challenge["signature"]);
    assert_eq!(server.post(PATH, &second).await.status, 200);
    assert_replayed(&server.post(PATH, &second).await);
}
