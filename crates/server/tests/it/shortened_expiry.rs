//! Access tokens of a key whose expiry was shortened after they were issued.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tm_auth_verifier::{InvalidToken, Revoked, Verifier, VerifyError};

use crate::support::{Answer, ServerTime, TestKey, TestServer, eventually, jwt};

async fn verifier(server: &TestServer) -> Verifier {
    let verifier = Verifier::builder(server.issuer(), server.config.audience())
        .environment(server.config.environment)
        .clock(ServerTime(server.clock.clone()))
        .poll_interval(Duration::from_secs(1))
        .build()
        .unwrap();
    verifier.refresh().await.unwrap();
    verifier
}

/// Changes the expiry of the key to this many seconds from now.
async fn expire_in(server: &TestServer, key: &TestKey, seconds: i64) -> Answer {
    let at = server.now() + jiff::SignedDuration::from_secs(seconds);
    let path = format!("/api-keys/{}", key.id());
    let body = json!({ "expires_at": at });
    server
        .manage(&key.account, Method::PATCH, &path, Some(body))
        .await
}

async fn lists(server: &TestServer, key: &TestKey) -> bool {
    let list = jwt::payload(&server.get("/revocations").await.text);
    list["keys"].as_array().unwrap().contains(&json!(key.id()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r45_no_token_outlives_its_key_whose_expiry_was_shortened() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    let verifier = verifier(&server).await;
    for seconds in [1, 600] {
        let (key, other) = (server.key().await, server.key().await);
        let token = server.mint(&key).await.access_token;
        let others = server.mint(&other).await.access_token;
        assert_eq!(expire_in(&server, &key, seconds).await.status, 200);

        // Until the new expiry the token is good.
        server.advance(seconds - 1);
        for node in [&server, &node] {
            assert!(!lists(node, &key).await, "{seconds}");
            assert_eq!(node.get_with("/api-key", &token).await.status, 200);
        }
        verifier.refresh().await.unwrap();
        verifier.verify(&token).await.unwrap();

        // From then on every node lists the key and refuses the token, without another change.
        server.advance(1);
        assert!(lists(&server, &key).await, "{seconds}");
        eventually(async || lists(&node, &key).await.then_some(())).await;
        for node in [&server, &node] {
            node.get_with("/api-key", &token)
                .await
                .assert_error(401, "invalid_token");
            assert_eq!(node.get_with("/api-key", &others).await.status, 200);
        }
        let refusal = eventually(async || verifier.verify(&token).await.err()).await;
        assert!(
            matches!(
                refusal,
                VerifyError::InvalidToken(InvalidToken::Revoked(Revoked::Key))
            ),
            "{refusal}"
        );
        verifier.verify(&others).await.unwrap();
        // The entry stays until all tokens of the key have expired.
        server.advance(3600);
        assert!(lists(&server, &key).await);
        server.advance(121);
        assert!(!lists(&server, &key).await);
        verifier.refresh().await.unwrap();
    }
}

#[tokio::test]
async fn r45_an_expiry_that_is_extended_in_time_refuses_no_token() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let token = server.mint(&key).await.access_token;
    assert_eq!(expire_in(&server, &key, 600).await.status, 200);
    server.advance(599);
    assert_eq!(expire_in(&server, &key, 600).await.status, 200);
    server.advance(599);
    assert!(!lists(&server, &key).await);
    assert_eq!(server.get_with("/api-key", &token).await.status, 200);
    server.advance(1);
    assert!(lists(&server, &key).await);
}

#[tokio::test]
async fn r45_an_expiry_must_be_in_the_future() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for seconds in [0, -1] {
        expire_in(&server, &key, seconds)
            .await
            .assert_error(400, "invalid_request");
    }
}
