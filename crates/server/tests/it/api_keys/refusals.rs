//! The record of refused requests, which the owner of the key can read.

use reqwest::Method;
use serde_json::json;

use super::path_of;
use crate::support::{TestKey, TestServer, eventually};

#[tokio::test]
async fn refusals_are_kept_with_their_reason_and_address() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let impostor = TestKey::unregistered(&key.account).registered(key.id());
    for _ in 0..3 {
        let answer = server
            .post("/api-key/token", &impostor.challenge(server.now()))
            .await;
        answer.assert_error(401, "invalid_credentials");
    }
    let change = json!({ "allowed_ips": ["203.0.113.7"] });
    server
        .manage(&key.account, Method::PATCH, &path_of(&key), Some(change))
        .await;
    let answer = server.post("/api-key/token", &key.challenge(server.now())).await;
    answer.assert_error(401, "ip_not_allowed");
    let kept = eventually(async || {
        let kept = server.store.refusals_of_key(key.id()).await.unwrap();
        (kept.iter().map(|refusal| refusal.count).sum::<u64>() == 4).then_some(kept)
    })
    .await;
    let facts: Vec<_> = kept
        .iter()
        .map(|refusal| (refusal.code.as_str(), refusal.count, refusal.ip.to_string()))
        .collect();
    assert_eq!(
        facts,
        [
            ("invalid_credentials", 3, "127.0.0.1".to_owned()),
            ("ip_not_allowed", 1, "127.0.0.1".to_owned()),
        ]
    );
}
