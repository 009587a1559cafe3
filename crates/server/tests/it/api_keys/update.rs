//! `PATCH /api-keys/{key_id}`.

use reqwest::Method;
use serde_json::json;

use super::path_of;
use crate::support::{TestServer, jwt};

#[tokio::test]
async fn members_that_are_left_out_stay_unchanged() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let path = path_of(&key);
    let patch = |change| server.manage(&key.account, Method::PATCH, &path, Some(change));
    let before = server
        .manage(&key.account, Method::GET, &path_of(&key), None)
        .await
        .body;
    assert_eq!(patch(json!({})).await.body, before);
    for (member, value) in [
        ("label", json!("renamed")),
        ("scopes", json!(["read"])),
        ("allowed_ips", json!(["127.0.0.1/32", "2001:db8::/32"])),
        ("expires_at", json!(null)),
    ] {
        let mut expected = server
            .manage(&key.account, Method::GET, &path_of(&key), None)
            .await
            .body;
        let answer = patch(json!({ member: value })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        expected[member] = value;
        assert_eq!(answer.body, expected);
    }
    let minted = server.mint(&key).await;
    assert_eq!(jwt::payload(&minted.access_token)["scope"], "read");
}

#[tokio::test]
async fn narrower_scopes_and_addresses_apply_to_the_next_token_request_and_refresh() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    let path = path_of(&key);
    let patch = |change| server.manage(&key.account, Method::PATCH, &path, Some(change));
    assert_eq!(patch(json!({ "scopes": ["read"] })).await.status, 200);
    let refreshed = server.refresh(&tokens.refresh_token).await;
    let claims = jwt::payload(refreshed.body["access_token"].as_str().unwrap());
    assert_eq!(claims["scope"], "read");
    assert_eq!(patch(json!({ "allowed_ips": ["203.0.113.7"] })).await.status, 200);
    let newest = refreshed.body["refresh_token"].as_str().unwrap();
    server.refresh(newest).await.assert_error(401, "ip_not_allowed");
    let answer = server.post("/api-key/token", &key.challenge(server.now())).await;
    answer.assert_error(401, "ip_not_allowed");
    // The refusals did not end the session.
    assert_eq!(patch(json!({ "allowed_ips": [] })).await.status, 200);
    assert_eq!(server.refresh(newest).await.status, 200);
}

#[tokio::test]
async fn c08_a_change_is_checked_like_a_registration() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for (member, bad) in [
        ("label", json!("a\u{202e}b")),
        ("label", json!("x".repeat(65))),
        ("scopes", json!([])),
        ("expires_at", json!(server.now())),
        ("allowed_ips", json!(["::/129"])),
    ] {
        let change = json!({ member: bad });
        let answer = server
            .manage(&key.account, Method::PATCH, &path_of(&key), Some(change))
            .await;
        answer.assert_invalid("invalid_request", member);
    }
    for member in ["public_key", "uid", "key_id", "status", "revoked_at"] {
        let change = json!({ member: null });
        let answer = server
            .manage(&key.account, Method::PATCH, &path_of(&key), Some(change))
            .await;
        answer.assert_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_revoked_or_expired_key_cannot_be_changed() {
    let server = TestServer::start().await;
    let (revoked, expired) = (server.key().await, server.key().await);
    let revoke = server
        .manage(&revoked.account, Method::DELETE, &path_of(&revoked), None)
        .await;
    assert_eq!(revoke.status, 200);
    let end = json!({ "expires_at": server.now() + jiff::SignedDuration::from_secs(1) });
    server
        .manage(&expired.account, Method::PATCH, &path_of(&expired), Some(end))
        .await;
    server.advance(1);
    for key in [revoked, expired] {
        for change in [json!({ "label": "again" }), json!({ "expires_at": null })] {
            let answer = server
                .manage(&key.account, Method::PATCH, &path_of(&key), Some(change))
                .await;
            answer.assert_error(409, "key_not_live");
        }
        let answer = server.post("/api-key/token", &key.challenge(server.now())).await;
        assert_eq!(answer.status, 401);
    }
}
