//! A server that freezes, crashes, or refuses the login.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tm_auth_testing::postgres::Durability;
use tokio::time::timeout;

use super::{CONNECTIONS, SOON, Server, open, until};
use crate::{Store, StoreError};

/// How long a caller waits before it gives up, as a request does.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn j03_j06_the_store_recovers_after_the_server_freezes_or_crashes() {
    // The schema must outlive the crash.
    let server = Server::start(Durability::On);
    let url = server.database();
    let store = open(&url).await.unwrap();

    server.freeze();
    let calls: Vec<_> = (0..4 * CONNECTIONS)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { timeout(PATIENCE, store.accounts()).await })
        })
        .collect();
    for call in calls {
        let frozen = call.await.unwrap();
        assert!(!matches!(frozen, Ok(Ok(_))), "{frozen:?}");
    }
    server.thaw();
    works_again(&store).await;
    // Connections of callers that gave up are closed, so that late answers are not read.
    let few =
        format!("SELECT count(*) <= {CONNECTIONS} FROM pg_stat_activity WHERE application_name = 'tm-auth'");
    until(&url, &few, "t").await;

    server.kill();
    let down = timeout(SOON, store.accounts())
        .await
        .expect("the call fails within bounded time");
    assert!(matches!(down, Err(StoreError::Unavailable(_))), "{down:?}");
    server.restart();
    works_again(&store).await;
}

/// Each dead connection fails one call.
async fn works_again(store: &Store) {
    let mut noticed = Vec::new();
    for _ in 0..4 * CONNECTIONS {
        noticed.extend(store.accounts().await.err());
    }
    assert!(noticed.len() <= CONNECTIONS as usize, "{noticed:?}");
    store.accounts().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_reported_without_the_password() {
    let server = Server::start(Durability::Off);
    let url = server.database();
    server.psql(&url, "CREATE ROLE locked LOGIN PASSWORD 'the right one'");
    let file = server.folder().join("data/pg_hba.conf");
    let rules = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        format!("host all locked 127.0.0.1/32 scram-sha-256\n{rules}"),
    )
    .unwrap();
    server.restart();
    let url = url.replace("tm_auth@", "locked:hunter2@");
    let error = open(&url).await.err().unwrap();
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}
