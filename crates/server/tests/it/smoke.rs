//! The basic life of a key, end to end.

use crate::support::TestServer;

#[tokio::test]
async fn a_key_mints_refreshes_and_is_revoked() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    let own = server.get_with("/api-key", &tokens.access_token).await;
    assert_eq!(
        (own.status, own.body["key"]["key_id"].as_str()),
        (200, Some(key.id().to_string().as_str()))
    );
    let refreshed = server.refresh(&tokens.refresh_token).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let path = format!("/api-keys/{}", key.id());
    let revoked = server
        .manage(&key.account, reqwest::Method::DELETE, &path, None)
        .await;
    assert_eq!(
        (revoked.status, revoked.body["status"].as_str()),
        (200, Some("revoked"))
    );
    server
        .refresh(refreshed.body["refresh_token"].as_str().unwrap())
        .await
        .assert_error(401, "key_revoked");
    server.advance(1);
    server
        .post("/api-key/token", &key.challenge(server.now()))
        .await
        .assert_error(401, "key_revoked");
    server
        .get_with("/api-key", &tokens.access_token)
        .await
        .assert_error(401, "invalid_token");
}
