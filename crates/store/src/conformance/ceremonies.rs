//! Ceremonies: taken once, by one, for what they were begun for.

use std::sync::Arc;

use super::given::{RETENTION, account, at};
use crate::{Ceremony, Store};

super::table!("ceremonies":
    g02_a_ceremony_is_taken_once_as_it_was_begun,
    g02_of_many_at_once_one_takes_it,
    g02_a_ceremony_serves_no_other_kind_and_is_gone_all_the_same,
    g02_a_ceremony_that_is_over_is_gone,
    the_sweep_deletes_what_is_over_and_nothing_else,
);

const KIND: &str = "dance";

fn ceremony(number: u8, ends: i64) -> Ceremony {
    Ceremony {
        id_hash: [number; 32],
        kind: KIND.into(),
        uid: None,
        state: format!("step {number}"),
        expires_at: at(ends),
    }
}

async fn g02_a_ceremony_is_taken_once_as_it_was_begun(store: &Store) {
    let owned = Ceremony {
        uid: Some(account(store).await.uid),
        ..ceremony(1, 300)
    };
    for new in [&owned, &ceremony(2, 300)] {
        store.begin_ceremony(new.clone()).await.unwrap();
    }
    let taken = store.take_ceremony([1; 32], KIND, at(299)).await.unwrap();
    assert_eq!(taken, Some(owned));
    assert_eq!(store.take_ceremony([1; 32], KIND, at(299)).await.unwrap(), None);
    assert_eq!(store.take_ceremony([3; 32], KIND, at(299)).await.unwrap(), None);
    let other = store.take_ceremony([2; 32], KIND, at(299)).await.unwrap();
    assert_eq!(other, Some(ceremony(2, 300)));
}

async fn g02_of_many_at_once_one_takes_it(store: &Arc<Store>) {
    store.begin_ceremony(ceremony(1, 300)).await.unwrap();
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(store);
        racers.spawn(async move { store.take_ceremony([1; 32], KIND, at(1)).await.unwrap() });
    }
    let taken = racers.join_all().await.into_iter().flatten().count();
    assert_eq!(taken, 1);
}

async fn g02_a_ceremony_serves_no_other_kind_and_is_gone_all_the_same(store: &Store) {
    store.begin_ceremony(ceremony(1, 300)).await.unwrap();
    assert_eq!(store.take_ceremony([1; 32], "march", at(1)).await.unwrap(), None);
    assert_eq!(store.take_ceremony([1; 32], KIND, at(1)).await.unwrap(), None);
}

async fn g02_a_ceremony_that_is_over_is_gone(store: &Store) {
    store.begin_ceremony(ceremony(1, 300)).await.unwrap();
    assert_eq!(store.take_ceremony([1; 32], KIND, at(300)).await.unwrap(), None);
    assert_eq!(store.take_ceremony([1; 32], KIND, at(299)).await.unwrap(), None);
}

async fn the_sweep_deletes_what_is_over_and_nothing_else(store: &Store) {
    for (number, ends) in [(1, 10), (2, 20), (3, 400)] {
        store.begin_ceremony(ceremony(number, ends)).await.unwrap();
    }
    let swept = store.sweep(at(300), &RETENTION).await.unwrap();
    assert_eq!((swept.deleted, swept.more), (2, false));
    let left = store.take_ceremony([3; 32], KIND, at(300)).await.unwrap();
    assert_eq!(left, Some(ceremony(3, 400)));
}
