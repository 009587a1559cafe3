//! Reminders that keys expire.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::ApiKey;
use tm_auth_core::api_key::reminder::span;

use super::given::{account, at, audit_context, new_account, new_key, register};
use crate::{DueReminder, KeyChange, Store};

super::table!("reminders":
    c10_each_reminder_of_a_key_is_sent_once,
    c10_one_of_many_concurrent_callers_claims_a_reminder,
    c10_the_recipient_is_the_verified_or_the_contact_address,
    c10_no_reminder_is_sent_for_a_key_that_cannot_be_used,
    c10_a_changed_expiry_restarts_the_reminders,
    c10_reminders_come_in_batches_earliest_expiry_first,
);

const TICK: SignedDuration = SignedDuration::from_millis(1);

fn end() -> Timestamp {
    at(0) + span(100)
}

fn before(days: u8) -> Timestamp {
    end() - span(days)
}

async fn owned(store: &Store, email: &str, ends: Option<Timestamp>) -> ApiKey {
    let account = store
        .create_account(new_account(Some(email), 0), &audit_context(0))
        .await
        .unwrap()
        .unwrap();
    let new = new_key(&account);
    register(
        store,
        crate::NewApiKey {
            expires_at: ends,
            ..new
        },
    )
    .await
}

async fn due(store: &Store, now: Timestamp) -> Vec<DueReminder> {
    store.due_reminders(now, 10).await.unwrap()
}

async fn c10_each_reminder_of_a_key_is_sent_once(store: &Store) {
    let key = owned(store, "a@example.com", Some(end())).await;
    assert!(due(store, before(30) - TICK).await.is_empty());
    for days in [30, 7, 1] {
        let found = due(store, before(days)).await;
        let expected = DueReminder {
            key: key.clone(),
            address: "a@example.com".to_owned(),
            days,
            found_at: before(days),
        };
        assert_eq!(found, [expected]);
        // Only a claim marks a reminder as sent.
        assert_eq!(due(store, before(days)).await, found);
        assert!(store.claim_reminder(&found[0]).await.unwrap());
        assert!(due(store, before(days)).await.is_empty());
        assert!(!store.claim_reminder(&found[0]).await.unwrap());
    }
    assert!(due(store, end() - TICK).await.is_empty());
    assert!(due(store, end()).await.is_empty());
    // The key's version does not change.
    assert_eq!(
        store.api_key(key.key_id).await.unwrap().unwrap().version,
        key.version
    );
}

async fn c10_one_of_many_concurrent_callers_claims_a_reminder(store: &Arc<Store>) {
    owned(store, "a@example.com", Some(end())).await;
    let found = due(store, before(3)).await;
    assert_eq!(found[0].days, 7);
    let claims: Vec<_> = (0..20)
        .map(|_| {
            let (store, reminder) = (Arc::clone(store), found[0].clone());
            tokio::spawn(async move { store.claim_reminder(&reminder).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        won += u32::from(claim.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn c10_the_recipient_is_the_verified_or_the_contact_address(store: &Store) {
    let nobody = account(store).await;
    register(
        store,
        crate::NewApiKey {
            expires_at: Some(end()),
            ..new_key(&nobody)
        },
    )
    .await;
    assert!(due(store, before(7)).await.is_empty());
    let contact = Some("contact@example.com".to_owned());
    store
        .set_contact_email(nobody.uid, contact.clone())
        .await
        .unwrap();
    // The reminder was not marked as sent while the account had no address.
    assert_eq!(due(store, before(7)).await[0].address, "contact@example.com");

    let key = owned(store, "proved@example.com", Some(end() - TICK)).await;
    store.set_contact_email(key.account.uid, contact).await.unwrap();
    assert_eq!(due(store, before(7)).await[0].address, "proved@example.com");
}

async fn c10_no_reminder_is_sent_for_a_key_that_cannot_be_used(store: &Store) {
    owned(store, "endless@example.com", None).await;
    let revoked = owned(store, "revoked@example.com", Some(end())).await;
    let disabled = owned(store, "disabled@example.com", Some(end())).await;
    let pending = store
        .create_account(new_account(Some("pending@example.com"), 0), &audit_context(0))
        .await
        .unwrap()
        .unwrap();
    let pending = crate::NewApiKey {
        active: false,
        expires_at: Some(end()),
        ..new_key(&pending)
    };
    register(store, pending).await;
    let found = due(store, before(7)).await;
    assert_eq!(found.len(), 2);
    store
        .revoke_key(revoked.account.uid, revoked.key_id, &audit_context(1))
        .await
        .unwrap()
        .unwrap();
    store
        .set_account_disabled(disabled.account.uid, Some(at(1)), &audit_context(1))
        .await
        .unwrap();
    assert!(due(store, before(7)).await.is_empty());
    // The key is revoked between the query and the claim.
    let of_revoked = found
        .iter()
        .find(|reminder| reminder.key.key_id == revoked.key_id)
        .unwrap();
    assert!(!store.claim_reminder(of_revoked).await.unwrap());
}

async fn c10_a_changed_expiry_restarts_the_reminders(store: &Store) {
    let key = owned(store, "a@example.com", Some(end())).await;
    let found = due(store, before(1)).await;
    assert!(store.claim_reminder(&found[0]).await.unwrap());
    let change = |ends| KeyChange {
        expires_at: Some(ends),
        ..KeyChange::default()
    };
    let (uid, key_id) = (key.account.uid, key.key_id);
    // Setting the same expiry again, or another label, changes nothing.
    for same in [
        change(Some(end())),
        KeyChange {
            label: Some("other".to_owned()),
            ..KeyChange::default()
        },
    ] {
        store
            .update_key(uid, key_id, same, &audit_context(1))
            .await
            .unwrap()
            .unwrap();
        assert!(due(store, before(1)).await.is_empty());
    }
    let later = end() + span(60);
    store
        .update_key(uid, key_id, change(Some(later)), &audit_context(2))
        .await
        .unwrap()
        .unwrap();
    assert!(due(store, before(1)).await.is_empty());
    let found = due(store, later - span(30)).await;
    assert_eq!(found[0].days, 30);
    // The expiry changes between the query and the claim.
    let moved = later + span(1);
    store
        .update_key(uid, key_id, change(Some(moved)), &audit_context(3))
        .await
        .unwrap()
        .unwrap();
    assert!(!store.claim_reminder(&found[0]).await.unwrap());
    assert_eq!(due(store, moved - span(30)).await[0].days, 30);
    // The owner has just set an expiry in five days. The next reminder is that of the last day.
    let soon = at(4) + span(5);
    store
        .update_key(uid, key_id, change(Some(soon)), &audit_context(4))
        .await
        .unwrap()
        .unwrap();
    assert!(due(store, soon - span(4)).await.is_empty());
    assert_eq!(due(store, soon - span(1)).await[0].days, 1);
}

async fn c10_reminders_come_in_batches_earliest_expiry_first(store: &Store) {
    for (number, days) in [3_u8, 1, 2].into_iter().enumerate() {
        owned(store, &format!("{number}@example.com"), Some(end() + span(days))).await;
    }
    let found = store.due_reminders(before(7), 2).await.unwrap();
    let addresses: Vec<_> = found.iter().map(|reminder| reminder.address.as_str()).collect();
    assert_eq!(addresses, ["1@example.com", "2@example.com"]);
}
