//! What the token of an API key cannot do.

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, TestKey, TestServer};

#[tokio::test]
async fn d19_a_keys_token_manages_no_credentials() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    let own = format!("/api-keys/{}", key.id());
    let registration = TestKey::unregistered(&key.account).registration(server.issuer(), server.now());
    for (method, path, body) in [
        (Method::GET, "/api-keys", None),
        (Method::POST, "/api-keys", Some(registration)),
        (Method::GET, &own, None),
        (
            Method::PATCH,
            &own,
            Some(json!({ "label": "mine now", "allowed_ips": [] })),
        ),
        (Method::DELETE, &own, None),
    ] {
        let mut request = server
            .http
            .request(method, server.url(path))
            .bearer_auth(&tokens.access_token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        answer.assert_error(403, "management_token_required");
    }
    let keys = server
        .store
        .live_api_keys(key.account.uid, server.now())
        .await
        .unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (keys[0].0.label.as_str(), keys[0].0.lifecycle.revoked_at()),
        ("bot", None)
    );
}

#[tokio::test]
async fn d19_refresh_and_management_tokens_are_not_platform_tokens() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    for path in ["/api-key", "/api-keys"] {
        let answer = server.get_with(path, &tokens.refresh_token).await;
        answer.assert_error(401, "invalid_token");
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer error="invalid_token""#
        );
        let answer = server.get(path).await;
        answer.assert_error(401, "missing_token");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let management = server.management_token(&key.account).await;
    server
        .get_with("/api-key", &management)
        .await
        .assert_error(401, "invalid_token");
    // A token in the query does not count, because logs would keep it.
    let query = format!("/api-key?access_token={}", tokens.access_token);
    server.get(&query).await.assert_error(401, "missing_token");
}
