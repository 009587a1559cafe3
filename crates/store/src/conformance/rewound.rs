//! What a node writes back to a database that went back.

use tm_auth_proto::{AccountId, SessionId};

use super::given::{
    account, at, audit_context, audited, fresh_key_id, fresh_uuid, key, rotate, rotation, session,
};
use crate::{AuditAction, Change, Revocation, Revoked, Store};

super::table!("rewound":
    r30_what_the_list_had_is_repeated_once,
    r30_what_the_list_still_has_changes_nothing,
    r45_an_expiry_that_the_list_had_is_set_again,
    r31_the_database_stays_marked_until_an_operator_has_looked,
);

async fn r30_what_the_list_had_is_repeated_once(store: &Store) {
    let lost = key(store).await;
    let other = key(store).await;
    let (ended, secret) = session(store, &other).await;
    let gone = account(store).await;
    let known: Vec<_> = [
        Revoked::Key(lost.key_id),
        Revoked::Session(ended.sid),
        Revoked::Account(gone.uid),
        Revoked::Everything,
        // The rows of these are lost as well.
        Revoked::Key(fresh_key_id()),
        Revoked::Session(SessionId(fresh_uuid())),
        Revoked::Account(AccountId(fresh_uuid())),
    ]
    .map(|revoked| Revocation { revoked, at: at(1) })
    .into();
    let before = store.changes(0).await.unwrap().latest;
    for repeated in [7, 0] {
        let outcome = store.repeat_revocations(known.clone(), &audit_context(2)).await;
        assert_eq!(outcome.unwrap(), repeated);
    }
    assert_eq!(store.revocations(at(0)).await.unwrap().len(), 7);
    let stored = store.api_key(lost.key_id).await.unwrap().unwrap();
    assert_eq!(stored.lifecycle.disabled_at(), Some(at(2)));
    assert!(rotate(store, rotation(ended.sid, &secret, 0, 3)).await.is_err());
    let gone = store.account(gone.uid).await.unwrap().unwrap();
    assert_eq!(gone.disabled_at, Some(at(2)));
    let sound = store.api_key(other.key_id).await.unwrap().unwrap();
    assert_eq!(sound.lifecycle.disabled_at(), None);
    let told = store.changes(before).await.unwrap().changes.unwrap();
    for change in [
        Change::Key(lost.key_id),
        Change::Account(gone.uid),
        Change::Revocations,
    ] {
        assert!(told.contains(&change), "{change:?} is missing in {told:?}");
    }
    assert_eq!(audited(store, AuditAction::DatabaseWentBack).await, 1);
}

async fn r30_what_the_list_still_has_changes_nothing(store: &Store) {
    let key = key(store).await;
    let uid = key.account.uid;
    store
        .set_account_disabled(uid, Some(at(1)), &audit_context(1))
        .await
        .unwrap();
    store
        .set_account_disabled(uid, None, &audit_context(2))
        .await
        .unwrap();
    let known = store.revocations(at(0)).await.unwrap();
    let repeated = store.repeat_revocations(known, &audit_context(3)).await;
    assert_eq!(repeated.unwrap(), 0);
    let account = store.account(uid).await.unwrap().unwrap();
    assert_eq!(
        account.disabled_at, None,
        "it was enabled again, and the list says nothing newer"
    );
}

async fn r45_an_expiry_that_the_list_had_is_set_again(store: &Store) {
    let key = key(store).await;
    let entry = |seconds| Revocation {
        revoked: Revoked::KeyExpiry(key.key_id),
        at: at(seconds),
    };
    // The second one is later than the expiry that the key has by then.
    for (seconds, repeated) in [(60, 1), (90, 1)] {
        let outcome = store
            .repeat_revocations(vec![entry(seconds)], &audit_context(2))
            .await;
        assert_eq!(outcome.unwrap(), repeated);
        let stored = store.api_key(key.key_id).await.unwrap().unwrap();
        assert_eq!(stored.expires_at, Some(at(60)));
    }
}

async fn r31_the_database_stays_marked_until_an_operator_has_looked(store: &Store) {
    assert_eq!(store.went_back_at().await.unwrap(), None);
    for seconds in [1, 2] {
        store
            .repeat_revocations(Vec::new(), &audit_context(seconds))
            .await
            .unwrap();
        assert_eq!(store.went_back_at().await.unwrap(), Some(at(1)));
    }
    store
        .mark_recovered(at(3), false, &audit_context(3))
        .await
        .unwrap();
    assert_eq!(store.went_back_at().await.unwrap(), None);
}
