//! Refusals of keys: added up, bounded, and shown to the owner only.

use std::net::{IpAddr, Ipv4Addr};

use tm_auth_core::ApiKey;

use super::given::{RETENTION, at, fresh_key_id, key};
use crate::key_refusal::ADDRESSES;
use crate::{KeyRefusal, Store};

super::table!("key_refusals":
    refusals_are_added_up_and_shown_latest_first,
    each_reason_keeps_its_latest_addresses,
    refusals_of_unknown_keys_and_other_accounts_are_not_returned,
    refusals_are_swept,
);

fn refusal(key: &ApiKey, code: &str, host: u8, count: u64, seconds: i64) -> KeyRefusal {
    KeyRefusal {
        key_id: key.key_id,
        code: code.to_owned(),
        ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)),
        count,
        last_at: at(seconds),
    }
}

async fn refusals_are_added_up_and_shown_latest_first(store: &Store) {
    let key = key(store).await;
    let first = vec![
        refusal(&key, "key_expired", 1, 2, 10),
        refusal(&key, "ip_not_allowed", 1, 1, 20),
    ];
    store.record_refusals(first).await.unwrap();
    let more = vec![
        refusal(&key, "key_expired", 1, 3, 30),
        // Another node writes this one late.
        refusal(&key, "ip_not_allowed", 1, 1, 5),
    ];
    store.record_refusals(more).await.unwrap();
    let expected = [
        refusal(&key, "key_expired", 1, 5, 30),
        refusal(&key, "ip_not_allowed", 1, 2, 20),
    ];
    assert_eq!(store.refusals_of(key.account.uid, at(1)).await.unwrap(), expected);
}

async fn each_reason_keeps_its_latest_addresses(store: &Store) {
    let key = key(store).await;
    let kept = refusal(&key, "ip_not_allowed", 1, 1, 0);
    store.record_refusals(vec![kept.clone()]).await.unwrap();
    let forged = |host| refusal(&key, "invalid_credentials", host, 1, i64::from(host));
    store
        .record_refusals((1..=100).map(forged).collect())
        .await
        .unwrap();
    let listed = store.refusals_of(key.account.uid, at(1)).await.unwrap();
    let mut expected: Vec<KeyRefusal> = (1..=100)
        .rev()
        .map(forged)
        .take(usize::try_from(ADDRESSES).unwrap())
        .collect();
    expected.push(kept);
    assert_eq!(listed, expected, "forged requests displace forged requests only");
}

async fn refusals_of_unknown_keys_and_other_accounts_are_not_returned(store: &Store) {
    let (mine, theirs) = (key(store).await, key(store).await);
    let nobody = KeyRefusal {
        key_id: fresh_key_id(),
        ..refusal(&mine, "invalid_credentials", 1, 1, 1)
    };
    let hers = refusal(&theirs, "key_expired", 2, 1, 1);
    store.record_refusals(vec![nobody, hers.clone()]).await.unwrap();
    assert!(
        store
            .refusals_of(mine.account.uid, at(1))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        store.refusals_of(theirs.account.uid, at(1)).await.unwrap(),
        [hers]
    );
}

async fn refusals_are_swept(store: &Store) {
    let key = key(store).await;
    let (old, young) = (
        refusal(&key, "key_expired", 1, 1, 0),
        refusal(&key, "key_expired", 2, 1, 1),
    );
    store.record_refusals(vec![old, young.clone()]).await.unwrap();
    store.sweep(at(1) + RETENTION.session, &RETENTION).await.unwrap();
    assert_eq!(store.refusals_of(key.account.uid, at(1)).await.unwrap(), [young]);
}
