//! `DELETE /api-keys/{key_id}`: a revocation is immediate and permanent.

use reqwest::Method;
use serde_json::json;

use super::path_of;
use crate::support::{TestServer, jwt};
use tm_auth_store::AuditAction;

#[tokio::test]
async fn c10_a_revoked_key_and_its_tokens_are_refused_at_once() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let other = server.key_of(&key.account).await;
    let (first, second) = (server.mint(&key).await, server.mint(&key).await);
    let others = server.mint(&other).await;
    // Signed before the revocation and sent after it.
    let in_hand = key.challenge(server.now());

    let answer = server
        .manage(&key.account, Method::DELETE, &path_of(&key), None)
        .await;
    assert_eq!(
        (answer.status, answer.body["status"].as_str()),
        (200, Some("revoked"))
    );
    assert_eq!(answer.body["revoked_at"], server.now().to_string());
    let request_id = answer.header("x-request-id").to_owned();

    server
        .post("/api-key/token", &in_hand)
        .await
        .assert_error(401, "key_revoked");
    for tokens in [&first, &second] {
        server
            .refresh(&tokens.refresh_token)
            .await
            .assert_error(401, "key_revoked");
        server
            .get_with("/api-key", &tokens.access_token)
            .await
            .assert_error(401, "invalid_token");
    }
    let list = jwt::payload(&server.get("/revocations").await.text);
    assert_eq!(list["keys"], json!([key.id()]));

    let trail = server.store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(
        (trail[0].action.clone(), trail[0].key_id),
        (AuditAction::KeyRevoked, Some(key.id()))
    );
    let audit_context = &trail[0].audit_context;
    assert_eq!(audit_context.at, server.now());
    assert_eq!(audit_context.actor, key.account.uid.to_string());
    assert_eq!(audit_context.ip, Some([127, 0, 0, 1].into()));
    assert_eq!(audit_context.request_id.as_deref(), Some(request_id.as_str()));

    // The account's other key still works.
    assert_eq!(
        server.get_with("/api-key", &others.access_token).await.status,
        200
    );
    assert_eq!(server.refresh(&others.refresh_token).await.status, 200);
    server.mint(&other).await;
}

#[tokio::test]
async fn c10_a_revocation_is_permanent_and_may_be_repeated() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let path = path_of(&key);
    let revoke = || server.manage(&key.account, Method::DELETE, &path, None);
    let first = revoke().await;
    server.advance(10);
    let again = revoke().await;
    assert_eq!(
        (again.status, &again.body),
        (200, &first.body),
        "the first revocation counts"
    );
    let (folder, clock) = server.stop().await;
    let server = TestServer::start_in(folder, clock, |_| {}).await;
    let answer = server.post("/api-key/token", &key.challenge(server.now())).await;
    answer.assert_error(401, "key_revoked");
    let list = jwt::payload(&server.get("/revocations").await.text);
    assert_eq!(list["keys"], json!([key.id()]), "the list survives a restart");
}
