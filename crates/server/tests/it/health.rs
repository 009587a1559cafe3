//! `GET /health`, `/health/live` and `/health/ready`.

use std::sync::Arc;

use serde_json::json;
use tm_auth_store::faults::Fault;

use crate::support::TestServer;

#[tokio::test]
async fn j07_readiness_checks_the_database_and_liveness_only_the_process() {
    let server = TestServer::start().await;
    let body = |status: &str| json!({ "status": status, "environment": "uat", "server_time": "2027-01-15T08:00:00Z", "version": env!("CARGO_PKG_VERSION") });
    for (fault, ready) in [(Fault::None, true), (Fault::Fail, false), (Fault::None, true)] {
        server.store.faults().set(fault);
        for path in ["/health", "/health/ready"] {
            let answer = server.get(path).await;
            let expected = if ready {
                (200, body("ok"))
            } else {
                (503, body("unavailable"))
            };
            assert_eq!((answer.status, answer.body), expected);
        }
        let live = server.get("/health/live").await;
        assert_eq!((live.status, live.body), (200, body("ok")));
    }
}

/// The endpoint is public, so requests must not each cost a write.
#[tokio::test]
async fn j07_concurrent_health_checks_share_one_write() {
    let server = Arc::new(TestServer::start().await);
    let faults = server.store.faults();
    let before = faults.calls("ping");
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let server = Arc::clone(&server);
        asking.spawn(async move { server.get("/health").await.status });
    }
    assert!(asking.join_all().await.iter().all(|status| *status == 200));
    let pings = faults.calls("ping") - before;
    assert!((1..200).contains(&pings), "{pings}");
}
