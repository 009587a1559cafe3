//! What a restored backup lost is repeated once. What the database does not know is listed.

use super::given::{account, at, audit_context, audited, fresh_key_id, key, rotate, rotation, session};
use crate::repeat::{LostChange, Repeated};
use crate::{AuditAction, Revoked, Store};
use tm_auth_core::Refusal;
use tm_auth_proto::{AccountId, SessionId};

super::table!("repeats":
    r04_a_lost_change_is_repeated_once,
    r04_what_the_database_does_not_know_is_listed,
    r04_what_operators_did_is_found_by_its_time,
);

async fn repeat(store: &Store, lost: LostChange, seconds: i64) -> Repeated {
    store.repeat(lost, at(5), &audit_context(seconds)).await.unwrap()
}

async fn r04_a_lost_change_is_repeated_once(store: &Store) {
    let (revoked, disabled, kept) = (key(store).await, key(store).await, key(store).await);
    let (disabled_account, deleted) = (account(store).await, account(store).await);
    let (ended, secret) = session(store, &kept).await;
    for lost in [
        LostChange::KeyRevoked(revoked.key_id),
        LostChange::KeyDisabled(disabled.key_id),
        LostChange::AccountDisabled(disabled_account.uid),
        LostChange::AccountDeleted(deleted.uid),
        LostChange::SessionEnded(ended.sid),
    ] {
        assert_eq!(repeat(store, lost, 10).await, Repeated::Done, "{lost:?}");
        assert_eq!(repeat(store, lost, 11).await, Repeated::Known, "{lost:?}");
    }
    // Disabling a key that was revoked since would not make it less revoked.
    assert_eq!(
        repeat(store, LostChange::KeyDisabled(revoked.key_id), 12).await,
        Repeated::Known
    );
    let now = |key: tm_auth_core::ApiKey| key.lifecycle;
    let revoked = store.api_key(revoked.key_id).await.unwrap().map(now).unwrap();
    let disabled = store.api_key(disabled.key_id).await.unwrap().map(now).unwrap();
    assert_eq!(
        (revoked.revoked_at(), disabled.disabled_at()),
        (Some(at(10)), Some(at(10)))
    );
    let refused = rotate(store, rotation(ended.sid, &secret, 0, 13)).await;
    assert_eq!(refused, Err(Refusal::SessionEnded));
    for (action, times) in [
        (AuditAction::KeyRevoked, 1),
        (AuditAction::KeyDisabled, 1),
        (AuditAction::AccountDisabled, 1),
        (AuditAction::AccountDeleted, 1),
        (AuditAction::SessionRevoked, 1),
    ] {
        assert_eq!(audited(store, action.clone()).await, times, "{action}");
    }
}

async fn r04_what_the_database_does_not_know_is_listed(store: &Store) {
    let uuid = fresh_key_id().0;
    for (lost, revoked) in [
        (LostChange::KeyRevoked(fresh_key_id()), None),
        (
            LostChange::AccountDisabled(AccountId(uuid)),
            Some(Revoked::Account(AccountId(uuid))),
        ),
        (
            LostChange::SessionEnded(SessionId(uuid)),
            Some(Revoked::Session(SessionId(uuid))),
        ),
    ] {
        assert_eq!(repeat(store, lost, 10).await, Repeated::Listed, "{lost:?}");
        assert_eq!(repeat(store, lost, 11).await, Repeated::Known, "{lost:?}");
        let listed = store.revocations(at(0)).await.unwrap();
        let newest = listed
            .iter()
            .find(|entry| revoked.is_none_or(|revoked| entry.revoked == revoked));
        assert_eq!(newest.map(|entry| entry.at), Some(at(5)), "{lost:?}");
    }
}

async fn r04_what_operators_did_is_found_by_its_time(store: &Store) {
    let account = account(store).await;
    for seconds in [10, 20, 30] {
        let mut context = audit_context(seconds);
        if seconds > 10 {
            "operator".clone_into(&mut context.actor);
        }
        let disabled_at = (seconds != 20).then_some(at(seconds));
        store
            .set_account_disabled(account.uid, disabled_at, &context)
            .await
            .unwrap();
    }
    let found = store.operator_entries(at(5)).await.unwrap();
    let actions: Vec<_> = found.iter().map(|(_, entry)| entry.action.clone()).collect();
    assert_eq!(
        actions,
        [AuditAction::AccountEnabled, AuditAction::AccountDisabled]
    );
    assert!(found[0].0 < found[1].0);
    assert_eq!(store.operator_entries(at(25)).await.unwrap().len(), 1);
    assert_eq!(store.operator_entries(at(31)).await.unwrap().len(), 0);
}
