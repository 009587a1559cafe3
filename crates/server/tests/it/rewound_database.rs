//! A database that went back in time under running nodes: a restored backup, or a standby that
//! lacked the last commits.

use reqwest::Method;
use serde_json::json;
use tm_auth_proto::ErrorCode;
use tm_auth_server::config::AfterRewind;
use tm_auth_store::AuditContext;

use crate::support::{TestKey, TestServer, eventually, execute, jwt, rows};

async fn revoke(server: &TestServer, key: &TestKey) {
    let path = format!("/api-keys/{}", key.id());
    let answer = server.manage(&key.account, Method::DELETE, &path, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Takes from the database what revoking the only revoked key wrote to it.
fn forget_the_revocation(server: &TestServer) {
    for sql in [
        "DELETE FROM revocations WHERE kind = 'key'",
        "UPDATE api_keys SET revoked_at = NULL",
        // Last, since nodes notice this.
        "DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)",
    ] {
        execute(server, sql).unwrap();
    }
}

async fn is_ready(server: &TestServer) -> bool {
    server.get("/health/ready").await.status == 200
}

async fn lists(server: &TestServer, key: &TestKey) -> bool {
    let list = server.get("/revocations").await;
    jwt::payload(&list.text)["keys"]
        .as_array()
        .unwrap()
        .contains(&json!(key.id()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r30_r31_nodes_keep_the_revocations_that_a_rewound_database_lost_and_stop() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    let (key, other) = (server.key().await, server.key().await);
    let (token, others) = (server.mint(&key).await, server.mint(&other).await);
    // Both nodes cache the keys.
    node.mint(&key).await;
    revoke(&server, &key).await;
    eventually(async || lists(&node, &key).await.then_some(())).await;

    forget_the_revocation(&server);
    for node in [&server, &node] {
        eventually(async || (!is_ready(node).await).then_some(())).await;
        assert!(lists(node, &key).await);
        let unavailable = ErrorCode::Unavailable.as_str();
        for key in [&key, &other] {
            let answer = node.post("/api-key/token", &key.challenge(node.now())).await;
            answer.assert_error(503, unavailable);
        }
        let answer = node.refresh(&others.refresh_token).await;
        answer.assert_error(503, unavailable);
        assert_eq!(node.get("/health/live").await.status, 200);
    }

    // A later process stops too.
    let restarted = server.another_node().await;
    assert!(!is_ready(&restarted).await && lists(&restarted, &key).await);

    let context = AuditContext::service(server.now());
    server
        .store
        .mark_recovered(server.now(), false, &context)
        .await
        .unwrap();
    server.advance(1);
    for node in [&server, &node, &restarted] {
        eventually(async || is_ready(node).await.then_some(())).await;
        assert!(lists(node, &key).await);
        node.post("/api-key/token", &key.challenge(node.now()))
            .await
            .assert_error(401, ErrorCode::KeyDisabled.as_str());
        let answer = node.refresh(&token.refresh_token).await;
        answer.assert_error(401, ErrorCode::KeyDisabled.as_str());
        server.advance(1);
        node.mint(&other).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r31_nodes_go_on_after_a_rewind_if_the_setting_says_so() {
    let server = TestServer::start_with(|config| config.after_rewind = AfterRewind::Continue).await;
    let (key, other) = (server.key().await, server.key().await);
    server.mint(&key).await;
    revoke(&server, &key).await;
    forget_the_revocation(&server);
    // The node writes back what it remembers.
    let disabled = "SELECT 1 FROM api_keys WHERE disabled_at IS NOT NULL";
    eventually(async || (!rows(&server, disabled).is_empty()).then_some(())).await;
    let answer = server.post("/api-key/token", &key.challenge(server.now())).await;
    answer.assert_error(401, ErrorCode::KeyDisabled.as_str());
    assert!(lists(&server, &key).await && is_ready(&server).await);
    server.mint(&other).await;
}
