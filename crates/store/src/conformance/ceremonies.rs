//! Ceremonies: taken once, by one caller, and for their own kind only.

use std::sync::Arc;

use super::given::{RETENTION, account, at};
use crate::{Ceremony, Store};

super::table!("ceremonies":
    g02_a_ceremony_is_taken_once_as_it_was_stored,
    g02_one_of_many_concurrent_callers_takes_it,
    g02_a_ceremony_of_another_kind_is_refused_and_deleted,
    g02_an_expired_ceremony_is_refused,
    the_sweep_deletes_expired_ceremonies_only,
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

async fn g02_a_ceremony_is_taken_once_as_it_was_stored(store: &Store) {
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

async fn g02_one_of_many_concurrent_callers_takes_it(store: &Arc<Store>) {
    store.begin_ceremony(ceremony(1, 300)).await.unwrap();
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(store);
        racers.spawn(async move { store.take_ceremony([1; 32], KIND, at(1)).await.unwrap() });
    }
    let taken = racers.join_all().await.into_iter().flatten().count();
    assert_eq!(taken, 1);
}

async fn g02_a_ceremony_of_another_kind_is_refused_and_deleted(store: &Store) {
    store.begin_ceremony(ceremony(1, 300)).await.unwrap();
    assert_eq!(store.take_ceremony([1; 32], "march", at(1)).await.unwrap(), None);
    assert_eq!(store.take_ceremony([1; 32], KIND, at(1)).await.unwrap(), None);
}

async fn g02_an_expired_ceremony_is_refused(store: &Store) {
    store.begin_ceremony(ceremony(1, 300)).await.unwrap();
    assert_eq!(store.take_ceremony([1; 32], KIND, at(300)).await.unwrap(), None);
    assert_eq!(store.take_ceremony([1; 32], KIND, at(299)).await.unwrap(), None);
}

async fn the_sweep_deletes_expired_ceremonies_only(store: &Store) {
    for (number, ends) in [(1, 10), (2, 20), (3, 400)] {
        store.begin_ceremony(ceremony(number, ends)).await.unwrap();
    }
    let swept = store.sweep(at(300), &RETENTION).await.unwrap();
    assert_eq!((swept.deleted, swept.more), (2, false));
    let left = store.take_ceremony([3; 32], KIND, at(300)).await.unwrap();
    assert_eq!(left, Some(ceremony(3, 400)));
}
