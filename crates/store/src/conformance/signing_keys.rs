//! Signing and MAC keys of the service. An update succeeds only if the version of the set is the
//! one that the caller read.

use std::sync::Arc;

use tm_auth_core::signing::{Algorithm, Purpose, Sealed, StoredSigningKey};

use super::given::{at, audit_context, audited};
use crate::{AuditAction, Change, Store};

super::table!("signing_keys":
    the_set_is_stored_as_it_was_put,
    one_of_many_concurrent_changes_of_a_version_succeeds,
    a_key_takes_over_from_another_in_one_step,
    two_keys_of_a_purpose_never_sign,
);

fn stored(kid: &str, purpose: Purpose) -> StoredSigningKey {
    StoredSigningKey {
        kid: kid.to_owned(),
        purpose,
        algorithm: (purpose == Purpose::AccessToken).then_some(Algorithm::ES256),
        sealed: Sealed(vec![0, 1, 0xff]),
        published_at: at(0),
        signing_since: None,
        retired_at: None,
    }
}

fn signing(kid: &str) -> StoredSigningKey {
    StoredSigningKey {
        signing_since: Some(at(0)),
        ..stored(kid, Purpose::AccessToken)
    }
}

/// Changes and removes keys of the set at its current version.
async fn put(store: &Store, keys: Vec<StoredSigningKey>, remove: &[&str]) -> bool {
    let version = store.signing_keys().await.unwrap().0;
    let remove = remove.iter().map(|kid| (*kid).to_owned()).collect();
    store
        .update_signing_keys(version, keys, remove, &audit_context(1))
        .await
        .unwrap()
}

async fn the_set_is_stored_as_it_was_put(store: &Store) {
    assert_eq!(store.signing_keys().await.unwrap(), (0, vec![]));
    let keys = vec![
        signing("a"),
        StoredSigningKey {
            published_at: at(1),
            ..stored("b", Purpose::AccessToken)
        },
        StoredSigningKey {
            published_at: at(2),
            ..stored("c", Purpose::RefreshToken)
        },
    ];
    let before = store.changes(0).await.unwrap().latest;
    assert!(put(store, keys.clone(), &[]).await);
    assert_eq!(store.signing_keys().await.unwrap(), (1, keys.clone()));
    assert_eq!(
        store.changes(before).await.unwrap().changes.unwrap(),
        [Change::SigningKeys]
    );
    assert_eq!(audited(store, AuditAction::SigningKeyChanged).await, 3);
    // A rewrapped key is the same key, encrypted with another key-encryption key.
    let rewrapped = StoredSigningKey {
        sealed: Sealed(vec![2; 40]),
        ..keys[1].clone()
    };
    assert!(put(store, vec![rewrapped.clone()], &["c"]).await);
    assert_eq!(
        store.signing_keys().await.unwrap(),
        (2, vec![keys[0].clone(), rewrapped])
    );
    assert_eq!(audited(store, AuditAction::SigningKeyRemoved).await, 1);
}

async fn one_of_many_concurrent_changes_of_a_version_succeeds(store: &Arc<Store>) {
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..20 {
        let (store, key) = (Arc::clone(store), signing(&format!("k{racer}")));
        racers.spawn(async move {
            store
                .update_signing_keys(0, vec![key], vec![], &audit_context(1))
                .await
                .unwrap()
        });
    }
    let won = racers.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    let (version, keys) = store.signing_keys().await.unwrap();
    assert_eq!((version, keys.len()), (1, 1));
    for wrong_version in [0, 2, -1] {
        let key = vec![stored("late", Purpose::RefreshToken)];
        assert!(
            !store
                .update_signing_keys(wrong_version, key, vec!["k0".to_owned()], &audit_context(2))
                .await
                .unwrap()
        );
    }
    assert_eq!(
        store.signing_keys().await.unwrap(),
        (version, keys),
        "an update of a wrong version changes nothing"
    );
}

async fn a_key_takes_over_from_another_in_one_step(store: &Store) {
    let next_key = stored("b", Purpose::AccessToken);
    assert!(put(store, vec![signing("a"), next_key.clone()], &[]).await);
    // The update lists the promoted key first. The store retires the other one before it.
    let promoted = StoredSigningKey {
        signing_since: Some(at(5)),
        ..next_key
    };
    let retired = StoredSigningKey {
        retired_at: Some(at(5)),
        ..signing("a")
    };
    assert!(put(store, vec![promoted.clone(), retired.clone()], &[]).await);
    assert_eq!(store.signing_keys().await.unwrap().1, [retired, promoted.clone()]);
    let next = StoredSigningKey {
        published_at: at(6),
        signing_since: Some(at(6)),
        ..stored("c", Purpose::AccessToken)
    };
    assert!(
        put(store, vec![next.clone()], &["a", "b"]).await,
        "a removed key is replaced in the same step"
    );
    assert_eq!(store.signing_keys().await.unwrap().1, [next]);
}

async fn two_keys_of_a_purpose_never_sign(store: &Store) {
    assert!(put(store, vec![signing("a")], &[]).await);
    let (version, before) = store.signing_keys().await.unwrap();
    let second = vec![stored("next", Purpose::AccessToken), signing("b")];
    assert!(
        store
            .update_signing_keys(version, second, vec![], &audit_context(2))
            .await
            .is_err()
    );
    assert_eq!(
        store.signing_keys().await.unwrap(),
        (version, before),
        "a refused change leaves no row"
    );
}
