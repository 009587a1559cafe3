//! A clock that jumps far from the time that the database has last seen.

use std::time::Duration;

use tm_auth_proto::TokenResponse;
use tm_auth_store::{AuditContext, KeyChange};

use super::captured_log::CapturedLog;
use crate::support::{Stored, TestKey, TestServer, jwt, rows};

const DAY: i64 = 24 * 3600;
/// Tables from which a sweep would delete rows after the jump.
const TABLES: [&str; 5] = ["audit", "sessions", "api_keys", "revocations", "outbox"];

struct Before {
    server: TestServer,
    tokens: TokenResponse,
    counts: Vec<i64>,
    kids: Vec<String>,
}

fn counts(server: &TestServer) -> Vec<i64> {
    TABLES
        .map(
            |table| match &rows(server, &format!("SELECT count(*) FROM {table}"))[0][0] {
                Stored::Integer(count) => *count,
                other => panic!("{other:?}"),
            },
        )
        .into()
}

async fn kids(server: &TestServer) -> Vec<String> {
    let listed = server.signing_keys().list().await.unwrap();
    let mut kids: Vec<_> = listed.into_iter().map(|key| key.kid).collect();
    kids.sort();
    kids
}

async fn round(server: &TestServer) {
    server.app.sweep().await.unwrap();
    server.app.maintain_keys().await.unwrap();
    server.app.remind().await.unwrap();
}

/// A server with rows in each table, whose clock was right at the last sweep.
async fn given() -> Before {
    let server = TestServer::start().await;
    let (key, revoked) = (server.key().await, server.key().await);
    let tokens = server.mint(&key).await;
    let context = AuditContext::operator(server.now());
    let uid = revoked.account.uid;
    let forever = KeyChange {
        expires_at: Some(None),
        ..KeyChange::default()
    };
    server
        .store
        .update_key(key.account.uid, key.id(), forever, &context)
        .await
        .unwrap()
        .unwrap();
    server
        .store
        .revoke_key(uid, revoked.id(), &context)
        .await
        .unwrap()
        .unwrap();
    round(&server).await;
    let (counts, kids) = (counts(&server), kids(&server).await);
    Before {
        server,
        tokens,
        counts,
        kids,
    }
}

#[tokio::test]
async fn r46_a_clock_that_jumps_for_a_minute_deletes_nothing() {
    let Before {
        server,
        tokens,
        counts: before,
        kids: keys,
    } = given().await;
    for step in [400 * DAY, -400 * DAY] {
        let log = CapturedLog::start();
        server.advance(step);
        round(&server).await;
        server.advance(60);
        server.clock.run(Duration::from_mins(1));
        round(&server).await;
        let text = log.text();
        drop(log);
        let told: Vec<_> = text
            .lines()
            .filter(|line| line.contains("the clock is far from"))
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!("\"hours\":{}", step / 3600)) && told[0].contains("ERROR"));
        assert_eq!(counts(&server), before, "{step}");
        assert_eq!(kids(&server).await, keys, "{step}");
        // A node that starts now must not believe the clock either.
        let node = server.another_node().await;
        round(&node).await;
        assert_eq!(counts(&server), before, "{step}");
        assert_eq!(
            node.store.last_seen_at().await.unwrap(),
            server.store.last_seen_at().await.unwrap()
        );
        server.advance(-step);
        round(&server).await;
    }
    assert_eq!(counts(&server), before);
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn r46_a_new_time_that_holds_for_an_hour_is_believed() {
    let Before {
        server,
        counts: before,
        kids: keys,
        ..
    } = given().await;
    server.advance(400 * DAY);
    for _ in 0..60 {
        round(&server).await;
        assert_eq!(counts(&server), before);
        assert_eq!(kids(&server).await, keys);
        server.advance(60);
        server.clock.run(Duration::from_mins(1));
    }
    round(&server).await;
    let after = counts(&server);
    assert!(
        after[0] < before[0] && after[1] < before[1] && after[3] < before[3],
        "{after:?}"
    );
    assert_ne!(kids(&server).await, keys);
    // Other nodes and later processes see that the time is right.
    assert_eq!(server.store.last_seen_at().await.unwrap(), Some(server.now()));
}

#[tokio::test]
async fn r46_a_clock_that_jumps_loses_no_revocation() {
    let server = TestServer::start().await;
    let (key, other) = (server.key().await, server.key().await);
    let token = server.mint(&key).await.access_token;
    revoke(&server, &key).await;
    round(&server).await;
    server.advance(400 * DAY);
    // The node reads its list again.
    revoke(&server, &other).await;
    round(&server).await;
    server.advance(-400 * DAY);
    server
        .get_with("/api-key", &token)
        .await
        .assert_error(401, "invalid_token");
    let list = jwt::payload(&server.get("/revocations").await.text);
    let listed = list["keys"].as_array().unwrap();
    assert!(listed.contains(&serde_json::json!(key.id())), "{listed:?}");
}

async fn revoke(server: &TestServer, key: &TestKey) {
    let path = format!("/api-keys/{}", key.id());
    let answer = server
        .manage(&key.account, reqwest::Method::DELETE, &path, None)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
