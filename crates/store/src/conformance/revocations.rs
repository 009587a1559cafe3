//! Entries of the revocation list.

use jiff::Timestamp;
use tm_auth_core::ApiKey;
use tm_auth_proto::{AccountId, SessionId};

use super::given::{at, audit_context, audited, fresh_key_id, fresh_uuid, key};
use crate::{AuditAction, Change, KeyChange, Revocation, Revoked, Store};

super::table!("revocations":
    entries_are_listed_since_a_time,
    a_later_entry_replaces_an_earlier_one_and_never_the_reverse,
    r45_a_key_is_listed_from_an_expiry_that_its_tokens_could_outlive,
);

async fn entries_are_listed_since_a_time(store: &Store) {
    let all = [
        Revoked::Session(SessionId(fresh_uuid())),
        Revoked::Key(fresh_key_id()),
        Revoked::Account(AccountId(fresh_uuid())),
        Revoked::Everything,
    ];
    for (seconds, revoked) in (0..).zip(all) {
        let before = store.changes(0).await.unwrap().latest;
        store
            .revoke(
                Revocation {
                    revoked,
                    at: at(seconds),
                },
                &audit_context(9),
            )
            .await
            .unwrap();
        assert_eq!(
            store.changes(before).await.unwrap().changes.unwrap(),
            [Change::Revocations]
        );
    }
    assert_eq!(audited(store, AuditAction::TokensRevoked).await, 4);
    for since in 0..5 {
        let listed = store.revocations(at(since)).await.unwrap();
        let expected: Vec<_> = (0..).zip(all).skip(usize::try_from(since).unwrap()).collect();
        let listed: Vec<_> = listed
            .iter()
            .map(|entry| (entry.at.as_second() - at(0).as_second(), entry.revoked))
            .collect();
        assert_eq!(listed, expected, "at or after second {since}");
    }
}

async fn a_later_entry_replaces_an_earlier_one_and_never_the_reverse(store: &Store) {
    let revoked = Revoked::Account(AccountId(fresh_uuid()));
    for seconds in [5, 9, 7] {
        store
            .revoke(
                Revocation {
                    revoked,
                    at: at(seconds),
                },
                &audit_context(9),
            )
            .await
            .unwrap();
    }
    let listed = store.revocations(at(0)).await.unwrap();
    assert_eq!(listed, [Revocation { revoked, at: at(9) }]);
}

async fn r45_a_key_is_listed_from_an_expiry_that_its_tokens_could_outlive(store: &Store) {
    const HOUR: i64 = 3600;
    let key = key(store).await;
    // The expiry that is set at second 0, and the second from which the key is then listed.
    for (expiry, listed) in [
        (Some(600), Some(600)),
        // Tokens from before the earlier expiry may live as long.
        (Some(1200), Some(1200)),
        (Some(1), Some(1)),
        (None, None),
        (Some(HOUR), Some(HOUR)),
        (Some(2 * HOUR), None),
    ] {
        let before = store.changes(0).await.unwrap().latest;
        let entries = after_expiry(store, &key, expiry.map(at)).await;
        let expected: Vec<_> = listed
            .map(|seconds| Revocation {
                revoked: Revoked::KeyExpiry(key.key_id),
                at: at(seconds),
            })
            .into_iter()
            .collect();
        assert_eq!(entries, expected, "{expiry:?}");
        let told = store.changes(before).await.unwrap().changes.unwrap();
        assert_eq!(told, [Change::Key(key.key_id)]);
    }
    // Another change leaves the entry as it is, and enabling the key removes only its own entry.
    let entries = after_expiry(store, &key, Some(at(60))).await;
    for disabled in [true, false] {
        let change = KeyChange {
            disabled: Some(disabled),
            ..KeyChange::default()
        };
        store
            .update_key(key.account.uid, key.key_id, change, &audit_context(1))
            .await
            .unwrap()
            .unwrap();
        let listed = store.revocations(at(0)).await.unwrap();
        assert!(listed.contains(&entries[0]), "{listed:?}");
        assert_eq!(listed.len(), 1 + usize::from(disabled));
    }
}

/// The entries after this expiry is set at second 0.
async fn after_expiry(store: &Store, key: &ApiKey, expiry: Option<Timestamp>) -> Vec<Revocation> {
    let change = KeyChange {
        expires_at: Some(expiry),
        ..KeyChange::default()
    };
    store
        .update_key(key.account.uid, key.key_id, change, &audit_context(0))
        .await
        .unwrap()
        .unwrap();
    store.revocations(at(0)).await.unwrap()
}
