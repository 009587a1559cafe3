//! `GET /health`, `/health/live` and `/health/ready`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tm_auth_server::clock::ManualClock;
use tm_auth_store::sqlite::Role;

use crate::support::{START, Switch, SwitchedStore, TestServer, open};

#[tokio::test]
async fn j07_health_tells_the_database_from_the_process() {
    let folder = Arc::new(TempDir::new().unwrap());
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(START).unwrap()));
    let store = SwitchedStore::new(Arc::new(open(&folder, Role::Server).await));
    let server = TestServer::start_on(store.clone(), folder, clock, |_| {}).await;
    let body = |status: &str| json!({ "status": status, "environment": "uat", "server_time": "2027-01-15T08:00:00Z", "version": "0.1.0" });
    for (switch, ready) in [(Switch::Up, true), (Switch::Down, false), (Switch::Up, true)] {
        store.set(switch);
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

/// A question that anybody may ask must not cost a write each.
#[tokio::test]
async fn j07_many_who_ask_at_once_share_one_write() {
    let folder = Arc::new(TempDir::new().unwrap());
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(START).unwrap()));
    let store = SwitchedStore::new(Arc::new(open(&folder, Role::Server).await));
    let server = Arc::new(TestServer::start_on(store.clone(), folder, clock, |_| {}).await);
    let before = store.calls("ping");
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let server = Arc::clone(&server);
        asking.spawn(async move { server.get("/health").await.status });
    }
    assert!(asking.join_all().await.iter().all(|status| *status == 200));
    let pings = store.calls("ping") - before;
    assert!((1..200).contains(&pings), "{pings}");
}
