//! Transactions that conflict.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Barrier;

use super::super::MAX_ATTEMPTS;
use super::{Server, engine, open};
use crate::StoreError;
use crate::sql::setting::{get, set};
use crate::sql::{Tx, args};

#[tokio::test]
async fn j22_two_transactions_that_conflict_both_succeed() {
    let store = open(&Server::shared().database()).await.unwrap();
    let postgres = engine(&store);
    let (both_read, attempts) = (Barrier::new(2), AtomicU32::new(0));
    let add = async |tx: &mut Tx<'_>| {
        let at: u32 = get(tx, "counter").await?.map_or(0, |text| text.parse().unwrap());
        if attempts.fetch_add(1, Ordering::SeqCst) < 2 {
            both_read.wait().await;
        }
        set(tx, "counter", &(at + 1).to_string()).await
    };
    let (one, other) = tokio::join!(postgres.write(&add), postgres.write(&add));
    one.unwrap();
    other.unwrap();
    let counter = postgres
        .read(&async |tx: &mut Tx<'_>| get(tx, "counter").await)
        .await;
    assert_eq!(counter.unwrap().as_deref(), Some("2"));
    assert!(attempts.load(Ordering::SeqCst) > 2, "the transactions conflicted");
}

#[tokio::test]
async fn j22_two_transactions_that_deadlock_both_succeed() {
    let store = open(&Server::shared().database()).await.unwrap();
    let postgres = engine(&store);
    let make = async |tx: &mut Tx<'_>| {
        set(tx, "a", "0").await?;
        set(tx, "b", "0").await
    };
    postgres.write(&make).await.unwrap();
    let (both_hold, attempts) = (Barrier::new(2), AtomicU32::new(0));
    let take = async |tx: &mut Tx<'_>, first: &str, second: &str| {
        set(tx, first, "1").await?;
        if attempts.fetch_add(1, Ordering::SeqCst) < 2 {
            both_hold.wait().await;
        }
        set(tx, second, "1").await
    };
    let forth = async |tx: &mut Tx<'_>| take(tx, "a", "b").await;
    let back = async |tx: &mut Tx<'_>| take(tx, "b", "a").await;
    let (one, other) = tokio::join!(
        postgres.write_read_committed(&forth),
        postgres.write_read_committed(&back)
    );
    one.unwrap();
    other.unwrap();
    assert!(attempts.load(Ordering::SeqCst) > 2, "the transactions conflicted");
}

#[tokio::test]
async fn j22_a_conflict_that_never_ends_is_given_up() {
    let store = open(&Server::shared().database()).await.unwrap();
    let attempts = AtomicU32::new(0);
    let conflict = async |tx: &mut Tx<'_>| {
        attempts.fetch_add(1, Ordering::SeqCst);
        let sql = "DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$";
        tx.execute(sql, args![]).await
    };
    let error = engine(&store).write(&conflict).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(attempts.load(Ordering::SeqCst), MAX_ATTEMPTS);
}
