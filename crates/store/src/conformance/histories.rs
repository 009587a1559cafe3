//! The history of an account and of a key, page by page.

use tm_auth_proto::{AccountId, KeyId};

use super::given::{at, audit_context, fresh_uuid, key, new_key, register};
use crate::{AuditAction, AuditEntry, History, Store};

super::table!("histories":
    a_history_is_read_from_the_newest_entry_to_the_oldest,
    entries_of_one_time_stay_on_one_page,
    a_keys_history_has_the_entries_of_that_key_only,
    a_keys_oldest_entry_is_found_behind_many_others,
);

fn entry(uid: AccountId, key_id: Option<KeyId>, seconds: i64, detail: &str) -> AuditEntry {
    AuditEntry {
        audit_context: audit_context(seconds),
        action: AuditAction::KeyChanged,
        uid: Some(uid),
        key_id,
        sid: None,
        detail: Some(detail.to_owned()),
    }
}

/// Notes an entry at each of these seconds, with its index as detail. Returns the account.
async fn noted(store: &Store, seconds: &[i64]) -> AccountId {
    let uid = AccountId(fresh_uuid());
    let numbered = seconds.iter().enumerate();
    let entries = numbered.map(|(number, seconds)| entry(uid, None, *seconds, &number.to_string()));
    store.audit(entries.collect()).await.unwrap();
    uid
}

fn details(history: &History) -> Vec<&str> {
    let details = history.entries.iter().map(|entry| entry.detail.as_deref());
    details.map(|detail| detail.unwrap_or("none")).collect()
}

async fn a_history_is_read_from_the_newest_entry_to_the_oldest(store: &Store) {
    let uid = noted(store, &[10, 20, 30, 40, 50]).await;
    noted(store, &[15, 25]).await;
    let first = store.account_history(uid, None, 2).await.unwrap();
    assert_eq!(details(&first), ["4", "3"]);
    assert_eq!(first.older, Some(at(40)));
    let second = store.account_history(uid, first.older, 2).await.unwrap();
    assert_eq!(details(&second), ["2", "1"]);
    let third = store.account_history(uid, second.older, 2).await.unwrap();
    assert_eq!(details(&third), ["0"]);
    assert_eq!(third.older, None);
    let exactly = store.account_history(uid, None, 5).await.unwrap();
    assert_eq!((exactly.entries.len(), exactly.older), (5, None));
    let before_all = store.account_history(uid, Some(at(10)), 5).await.unwrap();
    assert_eq!((before_all.entries.len(), before_all.older), (0, None));
}

async fn entries_of_one_time_stay_on_one_page(store: &Store) {
    // Not in the order of their times, as from nodes whose clocks differ.
    let uid = noted(store, &[30, 20, 20, 20, 10]).await;
    let first = store.account_history(uid, None, 2).await.unwrap();
    assert_eq!(details(&first), ["0", "3", "2", "1"]);
    let second = store.account_history(uid, first.older, 2).await.unwrap();
    assert_eq!(details(&second), ["4"]);
    assert_eq!(second.older, None);
}

async fn a_keys_history_has_the_entries_of_that_key_only(store: &Store) {
    let mine = key(store).await;
    let other = register(store, new_key(&mine.account)).await;
    let (uid, key_id) = (mine.account.uid, mine.key_id);
    let entries = vec![
        entry(uid, Some(key_id), 10, "first"),
        entry(uid, Some(other.key_id), 20, "another key's"),
        entry(uid, None, 30, "the account's"),
        entry(AccountId(fresh_uuid()), Some(key_id), 40, "another account's"),
        entry(uid, Some(key_id), 50, "second"),
    ];
    store.audit(entries).await.unwrap();
    let first = store.key_history(uid, key_id, None, 2).await.unwrap();
    assert_eq!(details(&first), ["second", "first"]);
    let second = store.key_history(uid, key_id, first.older, 2).await.unwrap();
    assert_eq!(second.entries.len(), 1);
    assert_eq!(second.entries[0].action, AuditAction::KeyRegistered);
    assert_eq!(second.older, None);
    let strangers = store.key_history(AccountId(fresh_uuid()), key_id, None, 2).await;
    assert!(strangers.unwrap().entries.is_empty());
}

async fn a_keys_oldest_entry_is_found_behind_many_others(store: &Store) {
    let mine = key(store).await;
    let uid = mine.account.uid;
    let others = (1..=1200).map(|seconds| entry(uid, None, seconds, "the account's"));
    store.audit(others.collect()).await.unwrap();
    let history = store.key_history(uid, mine.key_id, None, 20).await.unwrap();
    assert_eq!(history.entries.len(), 1);
    assert_eq!(history.entries[0].action, AuditAction::KeyRegistered);
}
