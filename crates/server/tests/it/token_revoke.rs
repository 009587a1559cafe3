//! `POST /token/revoke`.

use serde_json::json;
use tm_auth_store::faults::Fault;

use crate::support::{Answer, TestServer, jwt};
use tm_auth_store::AuditAction;

async fn revoke(server: &TestServer, token: &str) -> Answer {
    server
        .post("/token/revoke", &json!({ "refresh_token": token }))
        .await
}

#[tokio::test]
async fn e14_e16_a_refresh_token_revokes_only_its_own_session() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    let key = server.key().await;
    let (mine, other) = (server.mint(&key).await, server.mint(&key).await);
    let theirs = server.mint(&server.key().await).await;
    let newest = server.refresh(&mine.refresh_token).await;
    // Any token of the session revokes it, here the one before the newest.
    let answer = revoke(&server, &mine.refresh_token).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "{}"));

    for node in [&server, &node] {
        node.refresh(&newest.refresh_token())
            .await
            .assert_error(401, "session_ended");
    }
    for access in [mine.access_token, newest.access_token()] {
        server
            .get_with("/api-key", &access)
            .await
            .assert_error(401, "invalid_token");
    }
    for untouched in [other, theirs] {
        assert_eq!(
            server.get_with("/api-key", &untouched.access_token).await.status,
            200
        );
        server.refresh(&untouched.refresh_token).await.refresh_token();
    }
    server.mint(&key).await;
    let trail = server.store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(trail[0].action, AuditAction::SessionRevoked);
    assert_eq!(json!(trail[0].sid), jwt::payload(&mine.refresh_token)["sid"]);
}

#[tokio::test]
async fn e14_the_answer_is_the_same_for_every_token() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    let known = revoke(&server, &tokens.refresh_token).await;
    let live = server.mint(&key).await;
    let (input, _) = live.refresh_token.rsplit_once('.').unwrap();
    let (_, mac) = tokens.refresh_token.rsplit_once('.').unwrap();
    let mixed = format!("{input}.{mac}");
    for token in [&tokens.refresh_token, &live.access_token, &mixed, "junk", ""] {
        assert_eq!(
            revoke(&server, token).await.comparable(),
            known.comparable(),
            "{token}"
        );
    }
    // None of these requests ended the live session.
    server.refresh(&live.refresh_token).await.refresh_token();
}

#[tokio::test]
async fn e14_a_database_outage_is_a_503_and_not_a_success() {
    let server = TestServer::start().await;
    let faults = server.store.faults();
    let tokens = server.mint(&server.key().await).await;
    // A token under a MAC key that this node does not know yet.
    let unknown = {
        let kid = tm_auth_core::signing::MacKey::kid_of(&[7; 32], server.config.environment);
        let key = tm_auth_core::signing::MacKey::new(kid, &[7; 32]).unwrap();
        let claims = jwt::payload(&tokens.refresh_token).to_string();
        key.sign_jws(tm_auth_proto::claims::REFRESH_TOKEN_TYP, claims.as_bytes())
    };
    faults.set(Fault::Fail);
    for token in [&tokens.refresh_token, &unknown] {
        revoke(&server, token).await.assert_error(503, "unavailable");
    }
    faults.set(Fault::None);
    assert_eq!(revoke(&server, &tokens.refresh_token).await.status, 200);
}
