//! Several stores on one database, as several nodes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tm_auth_core::session::NewSession;
use tm_auth_core::{ApiKey, Refusal};
use tm_auth_testing::fault_proxy::FaultProxy;
use tokio::task::JoinSet;

use super::{Server, open, psql};
use crate::OpenOutcome::{Changed, Opened, Replayed};
use crate::conformance::given::{account, audit_context, key, new_key, new_session, register, rotation};
use crate::{Change, Store, StoreError};

/// Concurrent changes per store.
const AT_ONCE: usize = 50;

#[tokio::test]
async fn c10_a_revocation_applies_in_every_store_and_changes_have_one_order() {
    let url = Server::shared().database();
    let stores = [open(&url).await.unwrap(), open(&url).await.unwrap()];
    let follower = open(&url).await.unwrap();
    let first = &stores[0];
    let account = account(first).await;
    let mut keys = Vec::new();
    for _ in 0..2 * AT_ONCE {
        keys.push(register(first, new_key(&account)).await);
    }
    let before = follower.changes(0).await.unwrap().latest;

    let done = Arc::new(AtomicBool::new(false));
    let told = tokio::spawn(follow(follower, before, Arc::clone(&done)));
    let mut revoking = JoinSet::new();
    for (number, key) in keys.iter().cloned().enumerate() {
        let [one, other] = stores.clone();
        let (here, there) = if number % 2 == 0 {
            (one, other)
        } else {
            (other, one)
        };
        revoking.spawn(async move { revoke(&here, &there, key).await });
    }
    revoking.join_all().await;
    done.store(true, Ordering::SeqCst);

    let told = told.await.unwrap();
    let mut of_keys: Vec<_> = told
        .iter()
        .filter_map(|change| match change {
            Change::Key(key_id) => Some(*key_id),
            _ => None,
        })
        .collect();
    of_keys.sort_unstable();
    let mut expected: Vec<_> = keys.iter().map(|key| key.key_id).collect();
    expected.sort_unstable();
    assert_eq!(of_keys, expected, "each change is returned once");
    let newest = psql(&url, "SELECT max(seq) FROM changes");
    assert_eq!((i64::try_from(told.len()).unwrap() + before).to_string(), newest);
}

/// Revokes through one store. Once that is acknowledged, mint and refresh through the other one
/// fail.
async fn revoke(here: &Store, there: &Store, key: ApiKey) {
    let (session, secret) = new_session(&key, 0);
    assert_eq!(there.open_session(session.clone()).await.unwrap(), Opened);
    let revoked = here
        .revoke_key(key.account.uid, key.key_id, &audit_context(1))
        .await;
    revoked.unwrap().unwrap();
    // This mint was decided with a stale cache.
    assert_eq!(there.open_session(new_session(&key, 2).0).await.unwrap(), Changed);
    let refreshed = there.rotate_session(rotation(session.sid, &secret, 0, 2)).await;
    assert_eq!(refreshed.unwrap(), Err(Refusal::KeyRevoked.into()));
}

/// Polls for changes until there are no more. Returns all changes in their order.
async fn follow(store: Arc<Store>, from: i64, done: Arc<AtomicBool>) -> Vec<Change> {
    let (mut latest, mut told) = (from, Vec::new());
    loop {
        let over = done.load(Ordering::SeqCst);
        let found = store.changes(latest).await.unwrap();
        let new = found.changes.expect("no number is missing");
        // The numbers have no gaps, so there are as many changes as numbers.
        assert_eq!(found.latest, latest + i64::try_from(new.len()).unwrap());
        latest = found.latest;
        if over && new.is_empty() {
            return told;
        }
        told.extend(new);
    }
}

#[tokio::test]
async fn d09_a_hundred_replays_through_two_stores_open_one_session() {
    let url = Server::shared().database();
    let stores = [open(&url).await.unwrap(), open(&url).await.unwrap()];
    let first = &stores[0];
    let (new, _) = new_session(&key(first).await, 0);
    let mut opening = JoinSet::new();
    for (store, number) in stores.iter().cycle().zip(0..2 * AT_ONCE) {
        let replay = NewSession {
            open_nonce: [u8::try_from(number).unwrap(); 16],
            ..new.clone()
        };
        let store = Arc::clone(store);
        opening.spawn(async move { store.open_session(replay).await.unwrap() });
    }
    let outcomes = opening.join_all().await;
    let opened = outcomes.iter().filter(|outcome| **outcome == Opened);
    assert_eq!(opened.count(), 1);
    let replayed = outcomes.iter().filter(|outcome| **outcome == Replayed);
    assert_eq!(replayed.count(), 2 * AT_ONCE - 1);
}

#[tokio::test]
async fn d09_a_retry_after_a_lost_answer_succeeds_and_a_replay_does_not() {
    let server = Server::shared();
    let url = server.database();
    let path = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let store = open(&path.url(&url)).await.unwrap();
    let sound = open(&url).await.unwrap();
    let (new, _) = new_session(&key(&store).await, 0);

    path.cut_before_next_answer();
    let unknown = store.open_session(new.clone()).await;
    assert!(matches!(unknown, Err(StoreError::Unavailable(_))), "{unknown:?}");
    assert_eq!(path.answers_lost(), 1);
    assert_eq!(psql(&url, "SELECT count(*) FROM sessions"), "1");

    let replay = NewSession {
        open_nonce: [7; 16],
        ..new.clone()
    };
    for store in [&store, &sound] {
        assert_eq!(store.open_session(new.clone()).await.unwrap(), Opened);
        assert_eq!(store.open_session(replay.clone()).await.unwrap(), Replayed);
    }
    assert_eq!(psql(&url, "SELECT count(*) FROM sessions"), "1");
}
