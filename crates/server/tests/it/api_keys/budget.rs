//! What one account can spend on changes of its keys.

use reqwest::Method;
use serde_json::json;

use crate::support::{TestServer, rows};

fn audited(server: &TestServer) -> usize {
    rows(server, "SELECT id FROM audit").len()
}

#[tokio::test]
async fn q01_a_change_that_changes_nothing_is_not_audited_and_not_mailed() {
    let server = TestServer::start_with(|config| config.limits.changes_per_account_per_minute = 60_000).await;
    let owner = server.account().await;
    let contact = Some("owner@example.com".to_owned());
    server.store.set_contact_email(owner.uid, contact).await.unwrap();
    let key = server.key_of(&owner).await;
    let path = format!("/api-keys/{}", key.id());
    let patch = async |body| server.manage(&owner, Method::PATCH, &path, Some(body)).await;
    let disabled = patch(json!({ "disabled": true })).await;
    assert_eq!(disabled.body["status"], "disabled");
    let before = (audited(&server), server.app.mailbox().unwrap().len());
    let version = rows(&server, "SELECT version FROM api_keys");
    let changes = rows(&server, "SELECT seq FROM changes").len();
    for round in 0..1_000 {
        let body = match round % 3 {
            0 => json!({ "disabled": true }),
            1 => json!({}),
            _ => json!({ "label": disabled.body["label"], "scopes": disabled.body["scopes"] }),
        };
        let answer = patch(body).await;
        assert_eq!((answer.status, &answer.body), (200, &disabled.body));
    }
    let after = (audited(&server), server.app.mailbox().unwrap().len());
    assert_eq!(after, before);
    assert_eq!(rows(&server, "SELECT version FROM api_keys"), version);
    assert_eq!(rows(&server, "SELECT seq FROM changes").len(), changes);
    assert!(rows(&server, "SELECT id FROM outbox").is_empty());
}

#[tokio::test]
async fn q02_beyond_the_budget_nothing_changes_and_keys_can_still_be_disabled_and_revoked() {
    let server = TestServer::start_with(|config| config.limits.changes_per_account_per_minute = 10).await;
    let owner = server.account().await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(server.key_of(&owner).await);
    }
    let path = |number: usize| format!("/api-keys/{}", keys[number].id());
    let patch = async |number: usize, body| {
        server
            .manage(&owner, Method::PATCH, &path(number), Some(body))
            .await
    };
    for round in 0..6 {
        assert_eq!(
            patch(0, json!({ "label": format!("bot {round}") })).await.status,
            200
        );
    }
    let before = audited(&server);
    let answer = patch(0, json!({ "label": "late" })).await;
    answer.assert_error(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), "6");
    let registration = crate::support::TestKey::unregistered(&owner);
    let body = registration.registration(server.issuer(), server.now());
    server
        .manage(&owner, Method::POST, "/api-keys", Some(body))
        .await
        .assert_error(429, "rate_limited");
    assert_eq!(audited(&server), before);
    // An owner who fears for a key does not wait.
    assert_eq!(patch(0, json!({ "disabled": true })).await.status, 200);
    let revoked = server.manage(&owner, Method::DELETE, &path(1), None).await;
    assert_eq!(revoked.body["status"], "revoked");
    // Another account is not affected, and this one not for long.
    server.key().await;
    server.advance(6);
    assert_eq!(patch(2, json!({ "label": "late" })).await.status, 200);
    patch(2, json!({ "label": "later" }))
        .await
        .assert_error(429, "rate_limited");
    // Repeated revocations have a budget too.
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(server.manage(&owner, Method::DELETE, &path(1), None).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3);
}
