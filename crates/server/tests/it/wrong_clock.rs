//! A node whose clock is wrong, beside a PostgreSQL server that knows the time.

use tm_auth_proto::ErrorCode;

use crate::support::{Database, TestServer};

#[tokio::test]
async fn r34_a_node_whose_clock_is_wrong_issues_no_tokens_and_ends_no_session() {
    if matches!(crate::DATABASE, Database::Sqlite) {
        // One node, and no other clock.
        return;
    }
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    assert_eq!(server.get("/health/ready").await.status, 200);
    for step in [3600, -3600] {
        server.store.faults().step_clock(step);
        server.advance(1);
        let mint = server.post("/api-key/token", &key.challenge(server.now())).await;
        mint.assert_error(503, ErrorCode::Unavailable.as_str());
        let refresh = server.refresh(&tokens.refresh_token).await;
        refresh.assert_error(503, ErrorCode::Unavailable.as_str());
        assert_eq!(server.get("/health/ready").await.status, 503);
    }
    server.store.faults().step_clock(0);
    assert_eq!(server.get("/health/ready").await.status, 200);
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
    server.mint(&key).await;
}
