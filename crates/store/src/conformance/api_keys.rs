//! API keys: registered once, changed and revoked by their owner only.

use std::sync::Arc;

use jiff::SignedDuration;
use tm_auth_core::Refusal;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{Scope, Scopes};

use super::given::{
    ADDRESS, LIMITS, account, at, audit_context, audited, fresh_key_id, key, live, new_key, new_session,
    open, register, rotate, rotation, session,
};
use crate::{AuditAction, Change, KeyChange, KeyUse, NewApiKey, OpenOutcome, Revocation, Revoked, Store};

super::table!("api_keys":
    a_key_is_stored_as_it_was_registered,
    a_pending_key_is_not_active,
    c07_a_public_key_is_registered_once_by_any_account,
    c07_one_of_fifty_concurrent_registrations_succeeds,
    c09_live_keys_are_limited_and_dead_ones_are_not_counted,
    c09_the_limit_holds_for_concurrent_registrations,
    a_change_of_a_key_changes_nothing_else,
    a_revoked_or_expired_key_is_not_changed,
    c10_e10_a_revoked_key_opens_and_rotates_nothing,
    a_key_is_revoked_once,
    another_accounts_key_is_neither_changed_nor_revoked,
    an_older_use_never_overwrites_a_newer_one,
);

async fn a_key_is_stored_as_it_was_registered(store: &Store) {
    let account = account(store).await;
    let new = NewApiKey {
        label: "grid bot <1> ü".to_owned(),
        scopes: [Scope::Read, Scope::Trade].into_iter().collect(),
        allowed_ips: vec![
            "203.0.113.0/24".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ],
        expires_at: Some(at(1000)),
        ..new_key(&account)
    };
    let key = register(store, new.clone()).await;
    assert_eq!(key.account, account);
    assert_eq!((key.key_id, &key.label), (new.key_id, &new.label));
    assert_eq!(&key.public_key, new.public_key.key());
    assert_eq!((key.scopes, &key.allowed_ips), (new.scopes, &new.allowed_ips));
    assert_eq!(
        (key.created_at, key.lifecycle.activated_at()),
        (at(0), Some(at(0)))
    );
    assert_eq!(
        (key.expires_at, key.lifecycle.revoked_at()),
        (Some(at(1000)), None)
    );
    assert_eq!(store.api_key(key.key_id).await.unwrap(), Some(key.clone()));
    assert_eq!(store.api_key(fresh_key_id()).await.unwrap(), None);
    let younger = register(
        store,
        NewApiKey {
            created_at: at(1),
            ..new_key(&account)
        },
    )
    .await;
    let listed = store.live_api_keys(account.uid, at(1)).await.unwrap();
    assert_eq!(listed, [(younger, None), (key, None)], "newest first");
}

async fn a_pending_key_is_not_active(store: &Store) {
    let account = account(store).await;
    let pending = register(
        store,
        NewApiKey {
            active: false,
            ..new_key(&account)
        },
    )
    .await;
    assert_eq!(pending.status(at(1)), ApiKeyStatus::Pending);
    assert_eq!(pending.lifecycle.activated_at(), None);
}

async fn c07_a_public_key_is_registered_once_by_any_account(store: &Store) {
    let (owner, other) = (account(store).await, account(store).await);
    let first = new_key(&owner);
    let registered = register(store, first.clone()).await;
    let again = |uid| NewApiKey {
        key_id: fresh_key_id(),
        uid,
        ..first.clone()
    };
    for round in ["live", "revoked"] {
        for uid in [owner.uid, other.uid] {
            let outcome = store
                .register_key(again(uid), LIMITS, &audit_context(1))
                .await
                .unwrap();
            assert_eq!(outcome, Err(Refusal::KeyAlreadyRegistered), "{round}");
            // "Known" takes precedence over "full", so that the number of keys stays private.
            let outcome = store
                .register_key(again(uid), live(0), &audit_context(1))
                .await
                .unwrap();
            assert_eq!(outcome, Err(Refusal::KeyAlreadyRegistered), "{round}");
        }
        store
            .revoke_key(owner.uid, registered.key_id, &audit_context(2))
            .await
            .unwrap()
            .unwrap();
    }
    assert!(store.live_api_keys(other.uid, at(1)).await.unwrap().is_empty());
    assert_eq!(audited(store, AuditAction::KeyRegistered).await, 1);
}

async fn c07_one_of_fifty_concurrent_registrations_succeeds(store: &Arc<Store>) {
    let owner = account(store).await;
    let first = new_key(&owner);
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, new) = (
            Arc::clone(store),
            NewApiKey {
                key_id: fresh_key_id(),
                ..first.clone()
            },
        );
        racers.spawn(async move { store.register_key(new, LIMITS, &audit_context(1)).await.unwrap() });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refused = outcomes
        .iter()
        .filter(|outcome| **outcome == Err(Refusal::KeyAlreadyRegistered));
    assert_eq!(refused.count(), 49);
}

async fn c09_live_keys_are_limited_and_dead_ones_are_not_counted(store: &Store) {
    let (account, other) = (account(store).await, account(store).await);
    let revoked = register(store, new_key(&account)).await;
    store
        .revoke_key(account.uid, revoked.key_id, &audit_context(1))
        .await
        .unwrap()
        .unwrap();
    register(
        store,
        NewApiKey {
            expires_at: Some(at(10)),
            ..new_key(&account)
        },
    )
    .await;
    register(store, new_key(&account)).await;
    register(store, new_key(&other)).await;
    let pending = NewApiKey {
        active: false,
        ..new_key(&account)
    };
    register(store, pending).await;
    let attempt = async |seconds| {
        let new = NewApiKey {
            created_at: at(seconds),
            ..new_key(&account)
        };
        store
            .register_key(new, live(2), &audit_context(seconds))
            .await
            .unwrap()
    };
    let full = Err(Refusal::KeyLimitReached { limit: 2 });
    assert_eq!(attempt(9).await, full);
    // At the time of its expiry a key is expired.
    assert!(attempt(10).await.is_ok());
    assert_eq!(attempt(11).await, full);
}

async fn c09_the_limit_holds_for_concurrent_registrations(store: &Arc<Store>) {
    let account = account(store).await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, new) = (Arc::clone(store), new_key(&account));
        racers.spawn(async move { store.register_key(new, live(3), &audit_context(1)).await.unwrap() });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert_eq!(store.live_api_keys(account.uid, at(1)).await.unwrap().len(), 3);
}

async fn a_change_of_a_key_changes_nothing_else(store: &Store) {
    let key = key(store).await;
    let read: Scopes = std::iter::once(Scope::Read).collect();
    let networks = vec!["203.0.113.7/32".parse().unwrap()];
    let before = store.changes(0).await.unwrap().latest;
    let mut expected = key.clone();
    for change in [
        KeyChange {
            label: Some("renamed".to_owned()),
            ..KeyChange::default()
        },
        KeyChange {
            scopes: Some(read),
            ..KeyChange::default()
        },
        KeyChange {
            expires_at: Some(Some(at(500))),
            ..KeyChange::default()
        },
        KeyChange {
            allowed_ips: Some(networks.clone()),
            ..KeyChange::default()
        },
        KeyChange {
            expires_at: Some(None),
            ..KeyChange::default()
        },
        KeyChange::default(),
    ] {
        if let Some(label) = &change.label {
            expected.label.clone_from(label);
        }
        expected.scopes = change.scopes.unwrap_or(expected.scopes);
        expected.expires_at = change.expires_at.unwrap_or(expected.expires_at);
        if let Some(networks) = &change.allowed_ips {
            expected.allowed_ips.clone_from(networks);
        }
        let is_changed = store.api_key(key.key_id).await.unwrap().as_ref() != Some(&expected);
        let changed = store
            .update_key(key.account.uid, key.key_id, change, &audit_context(1))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(changed.is_changed, is_changed);
        assert_eq!(
            changed.row.version > expected.version,
            is_changed,
            "a change increases the version"
        );
        expected.version = changed.row.version;
        assert_eq!(changed.row, expected);
        assert_eq!(store.api_key(key.key_id).await.unwrap().as_ref(), Some(&expected));
    }
    // A mint that was decided with the old key is refused.
    assert_eq!(open(store, &new_session(&key, 2).0).await, OpenOutcome::Changed);
    assert_eq!(
        open(store, &new_session(&expected, 2).0).await,
        OpenOutcome::Opened
    );
    let changes = store.changes(before).await.unwrap().changes.unwrap();
    assert!(changes.contains(&Change::Key(key.key_id)));
    assert_eq!(audited(store, AuditAction::KeyChanged).await, 5);
}

async fn a_revoked_or_expired_key_is_not_changed(store: &Store) {
    let account = account(store).await;
    let expired = register(
        store,
        NewApiKey {
            expires_at: Some(at(10)),
            ..new_key(&account)
        },
    )
    .await;
    let revoked = register(store, new_key(&account)).await;
    store
        .revoke_key(account.uid, revoked.key_id, &audit_context(1))
        .await
        .unwrap()
        .unwrap();
    for key in [&expired, &revoked] {
        let longer = KeyChange {
            expires_at: Some(None),
            ..KeyChange::default()
        };
        let outcome = store
            .update_key(account.uid, key.key_id, longer, &audit_context(10))
            .await
            .unwrap();
        assert_eq!(outcome, Err(Refusal::KeyNotLive));
    }
    assert_eq!(
        store.api_key(expired.key_id).await.unwrap().unwrap().expires_at,
        Some(at(10))
    );
}

async fn c10_e10_a_revoked_key_opens_and_rotates_nothing(store: &Store) {
    let key = key(store).await;
    let (opened, secret) = session(store, &key).await;
    let (decided, _) = new_session(&key, 1);
    let before = store.changes(0).await.unwrap().latest;
    let revoked = store
        .revoke_key(key.account.uid, key.key_id, &audit_context(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(revoked.lifecycle.revoked_at(), Some(at(2)));

    assert_eq!(open(store, &decided).await, OpenOutcome::Changed);
    assert_eq!(
        open(store, &new_session(&revoked, 3).0).await,
        OpenOutcome::Changed
    );
    assert_eq!(
        rotate(store, rotation(opened.sid, &secret, 0, 3)).await,
        Err(Refusal::KeyRevoked)
    );
    let entry = Revocation {
        revoked: Revoked::Key(key.key_id),
        at: at(2),
    };
    assert_eq!(store.revocations(at(0)).await.unwrap(), [entry]);
    let changes = store.changes(before).await.unwrap().changes.unwrap();
    assert!(changes.contains(&Change::Key(key.key_id)));
    let trail = store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(
        (trail[0].action.clone(), trail[0].key_id),
        (AuditAction::KeyRevoked, Some(key.key_id))
    );
}

async fn a_key_is_revoked_once(store: &Store) {
    let key = key(store).await;
    let first = store
        .revoke_key(key.account.uid, key.key_id, &audit_context(1))
        .await
        .unwrap()
        .unwrap();
    let second = store
        .revoke_key(key.account.uid, key.key_id, &audit_context(50))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second, first, "the first revocation counts");
    assert_eq!(audited(store, AuditAction::KeyRevoked).await, 1);
}

async fn another_accounts_key_is_neither_changed_nor_revoked(store: &Store) {
    let (theirs, stranger) = (key(store).await, account(store).await);
    let change = KeyChange {
        label: Some("mine".to_owned()),
        ..KeyChange::default()
    };
    for key_id in [theirs.key_id, fresh_key_id()] {
        let update = store
            .update_key(stranger.uid, key_id, change.clone(), &audit_context(1))
            .await
            .unwrap();
        let revoke = store
            .revoke_key(stranger.uid, key_id, &audit_context(1))
            .await
            .unwrap();
        assert_eq!(
            (update, revoke),
            (Err(Refusal::KeyNotFound), Err(Refusal::KeyNotFound))
        );
    }
    assert_eq!(store.api_key(theirs.key_id).await.unwrap(), Some(theirs));
    assert!(store.revocations(at(0)).await.unwrap().is_empty());
    assert_eq!(
        audited(store, AuditAction::KeyChanged).await + audited(store, AuditAction::KeyRevoked).await,
        0
    );
}

async fn an_older_use_never_overwrites_a_newer_one(store: &Store) {
    let key = key(store).await;
    let used = |seconds, ip: &str| KeyUse {
        key_id: key.key_id,
        at: at(seconds),
        ip: ip.parse().unwrap(),
    };
    let newest = used(100, "2001:db8::7");
    let nobody = KeyUse {
        key_id: fresh_key_id(),
        at: at(1),
        ip: ADDRESS,
    };
    for uses in [
        vec![used(50, "192.0.2.1"), nobody],
        vec![newest],
        vec![used(99, "192.0.2.9")],
        vec![],
    ] {
        store.record_use(uses).await.unwrap();
    }
    let listed = store.live_api_keys(key.account.uid, at(1)).await.unwrap();
    // Recording a use does not change the key's version.
    assert_eq!(listed, [(key.clone(), Some(newest))]);
    let much_later = KeyUse {
        at: newest.at + SignedDuration::from_secs(1),
        ..used(0, "192.0.2.2")
    };
    store.record_use(vec![much_later]).await.unwrap();
    assert_eq!(
        store.live_api_keys(key.account.uid, at(1)).await.unwrap()[0].1,
        Some(much_later)
    );
}
