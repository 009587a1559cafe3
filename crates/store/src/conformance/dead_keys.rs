//! Keys that are revoked or expired: they stay, so their number and what lists read are limited.

use tm_auth_core::{Account, ApiKey, Refusal};

use super::given::{account, at, audit_context, fresh_key_id, key, new_key, register};
use super::table;
use crate::{KeyLimits, KeyRefusal, NewApiKey, Store};

table! {
    "dead_keys":
    q09_an_account_registers_a_limited_number_of_keys_within_a_day,
    q09_dead_keys_are_listed_in_pages_and_live_ones_apart,
    q09_one_key_is_read_with_its_last_use_and_its_refusals,
    labels_of_other_accounts_are_not_returned,
}

const DAY: i64 = 24 * 60 * 60;

async fn expiring(store: &Store, account: &Account, created: i64, expires: i64) -> ApiKey {
    let new = NewApiKey {
        created_at: at(created),
        expires_at: Some(at(expires)),
        ..new_key(account)
    };
    register(store, new).await
}

async fn revoke(store: &Store, key: &ApiKey, seconds: i64) -> ApiKey {
    store
        .revoke_key(key.account.uid, key.key_id, &audit_context(seconds))
        .await
        .unwrap()
        .unwrap()
}

async fn q09_an_account_registers_a_limited_number_of_keys_within_a_day(store: &Store) {
    let (account, other) = (account(store).await, account(store).await);
    let limits = KeyLimits { live: 1, per_day: 3 };
    let attempt = async |account: &Account, seconds, active| {
        let new = NewApiKey {
            created_at: at(seconds),
            active,
            ..new_key(account)
        };
        store
            .register_key(new, limits, &audit_context(seconds))
            .await
            .unwrap()
    };
    for seconds in [10, 20] {
        let key = attempt(&account, seconds, true).await.unwrap();
        revoke(store, &key, seconds).await;
    }
    // A pending key counts as well.
    attempt(&account, 30, false).await.unwrap();
    let until = |seconds| {
        Err(Refusal::TooManyRegistrations {
            limit: 3,
            retry_at: at(seconds),
        })
    };
    for active in [true, false] {
        let refused = attempt(&account, 40, active).await;
        if active {
            assert_eq!(refused, until(DAY + 10));
        } else {
            assert_eq!(refused, Err(Refusal::KeyLimitReached { limit: 1 }));
        }
    }
    assert!(
        attempt(&other, 40, true).await.is_ok(),
        "other accounts are not affected"
    );
    assert_eq!(attempt(&account, DAY + 9, true).await, until(DAY + 10));
    let key = attempt(&account, DAY + 10, true).await.unwrap();
    revoke(store, &key, DAY + 10).await;
    assert_eq!(attempt(&account, DAY + 11, true).await, until(DAY + 20));
}

async fn q09_dead_keys_are_listed_in_pages_and_live_ones_apart(store: &Store) {
    let account = account(store).await;
    let now = at(1_000);
    let alive = register(store, new_key(&account)).await;
    let mut expected = Vec::new();
    // Two of each time, one revoked and one expired.
    for seconds in 1..=5 {
        let revoked = expiring(store, &account, seconds, 2_000).await;
        let mut pair = [
            (revoke(store, &revoked, seconds).await, None),
            (expiring(store, &account, seconds, 1_000).await, None),
        ];
        pair.sort_by_key(|(key, _)| key.key_id.0);
        expected.splice(0..0, pair);
    }
    let live = expiring(store, &account, 6, 1_001).await;
    let pending = NewApiKey {
        active: false,
        created_at: at(7),
        ..new_key(&account)
    };
    let pending = register(store, pending).await;
    // Another account's keys are not listed.
    revoke(store, &key(store).await, 1).await;
    assert_eq!(
        store.live_api_keys(account.uid, now).await.unwrap(),
        [(pending, None), (live, None), (alive, None)]
    );
    let mut found = Vec::new();
    let mut before = None;
    let mut pages = 0;
    loop {
        let page = store.dead_api_keys(account.uid, now, before, 3).await.unwrap();
        pages += 1;
        assert!(page.keys.len() <= 4, "a page and the rest of its last time");
        found.extend(page.keys);
        before = page.older;
        if before.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (expected, 3));
    let none = store
        .dead_api_keys(account.uid, now, Some(at(1)), 3)
        .await
        .unwrap();
    assert!(none.keys.is_empty() && none.older.is_none());
}

async fn q09_one_key_is_read_with_its_last_use_and_its_refusals(store: &Store) {
    let (mine, theirs) = (key(store).await, key(store).await);
    let refusal = |key: &ApiKey| KeyRefusal {
        key_id: key.key_id,
        code: "key_revoked".to_owned(),
        ip: super::given::ADDRESS,
        count: 1,
        last_at: at(1),
    };
    store
        .record_refusals(vec![refusal(&mine), refusal(&theirs)])
        .await
        .unwrap();
    let uid = mine.account.uid;
    assert_eq!(
        store.api_key_of(uid, mine.key_id).await.unwrap(),
        Some((mine.clone(), None))
    );
    assert_eq!(store.api_key_of(uid, theirs.key_id).await.unwrap(), None);
    assert_eq!(store.api_key_of(uid, fresh_key_id()).await.unwrap(), None);
    assert_eq!(store.refusals_of(uid, at(1)).await.unwrap(), [refusal(&mine)]);
    let revoked = revoke(store, &mine, 2).await;
    assert_eq!(
        store.api_key_of(uid, mine.key_id).await.unwrap(),
        Some((revoked, None))
    );
    // The list of an account reads the refusals of its live keys, the page of a key its own.
    assert_eq!(store.refusals_of(uid, at(2)).await.unwrap(), []);
    assert_eq!(
        store.refusals_of_key(mine.key_id).await.unwrap(),
        [refusal(&mine)]
    );
}

async fn labels_of_other_accounts_are_not_returned(store: &Store) {
    let account = account(store).await;
    let mut expected = Vec::new();
    for number in 0..11 {
        let label = format!("bot {number}");
        let new = NewApiKey {
            label: label.clone(),
            ..new_key(&account)
        };
        expected.push((register(store, new).await.key_id, label));
    }
    let theirs = key(store).await;
    let mut asked: Vec<_> = expected.iter().map(|(key_id, _)| *key_id).collect();
    asked.extend([theirs.key_id, fresh_key_id()]);
    let mut found = store.api_key_labels(account.uid, asked).await.unwrap();
    found.sort_by_key(|(key_id, _)| key_id.0);
    expected.sort_by_key(|(key_id, _)| key_id.0);
    assert_eq!(found, expected);
    assert_eq!(store.api_key_labels(account.uid, vec![]).await.unwrap(), []);
}
