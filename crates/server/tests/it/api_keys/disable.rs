//! `PATCH /api-keys/{key_id}` with `disabled`: disables and enables a key.

use reqwest::Method;
use serde_json::json;
use tm_auth_core::user::AuthMethod;

use super::path_of;
use crate::support::{TestServer, jwt};

#[tokio::test]
async fn a_disabled_key_is_refused_until_it_is_enabled() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    let path = path_of(&key);
    let set = |disabled| {
        server.manage(
            &key.account,
            Method::PATCH,
            &path,
            Some(json!({ "disabled": disabled })),
        )
    };
    let answer = set(true).await;
    assert_eq!(
        (answer.status, answer.body["status"].as_str()),
        (200, Some("disabled"))
    );
    assert_eq!(answer.body["disabled_at"], server.now().to_string());
    server.advance(1);
    let mint = server.post("/api-key/token", &key.challenge(server.now())).await;
    mint.assert_error(401, "key_disabled");
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_error(401, "key_disabled");
    server
        .get_with("/api-key", &tokens.access_token)
        .await
        .assert_error(401, "invalid_token");
    let list = jwt::payload(&server.get("/revocations").await.text);
    assert_eq!(list["keys"], json!([key.id()]));

    assert_eq!(set(false).await.body["status"], "active");
    let list = jwt::payload(&server.get("/revocations").await.text);
    assert_eq!(list["keys"], json!([]));
    server.advance(1);
    server.mint(&key).await;
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn c12_disabling_a_key_needs_a_session_and_enabling_it_a_fresh_login() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let path = path_of(&key);
    let old = server
        .browser_signed_in(&key.account, AuthMethod::Passkey, server.now())
        .await;
    server.advance(301);
    let patch = |change| old.call(Method::PATCH, &path, Some(change));
    patch(json!({ "disabled": true, "scopes": ["read"] }))
        .await
        .assert_error(403, "reauth_required");
    assert_eq!(
        patch(json!({ "disabled": true })).await.body["status"],
        "disabled"
    );
    patch(json!({ "disabled": false }))
        .await
        .assert_error(403, "reauth_required");
    let fresh = server.browser(&key.account).await;
    let answer = fresh
        .call(Method::PATCH, &path, Some(json!({ "disabled": false })))
        .await;
    assert_eq!(answer.body["status"], "active");
}
