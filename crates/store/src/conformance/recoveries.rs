//! Recoveries: one at a time. A repeated request does not move its end.

use tm_auth_core::Refusal;
use tm_auth_core::recovery::Recovery;
use tm_auth_proto::AccountId;

use super::given::{account, at, audit_context, audited};
use crate::passkey::{AddedBy, NewPasskey};
use crate::{AuditAction, Store};

super::table!("recoveries":
    c12_a_recovery_is_started_once_and_cancelled,
    c12_a_lapsed_recovery_is_replaced,
    c12_an_account_without_a_passkey_has_nothing_to_recover,
);

async fn with_passkey(store: &Store) -> AccountId {
    let uid = account(store).await.uid;
    let passkey = NewPasskey {
        credential_id: vec![1; 32],
        name: "phone".to_owned(),
        credential: "{}".to_owned(),
        counter: 0,
        backup_eligible: true,
        backed_up: true,
        created_at: at(0),
    };
    let added = store
        .add_passkey(uid, passkey, AddedBy::Proof, 1, &audit_context(0))
        .await;
    assert_eq!(added.unwrap(), Ok(false));
    uid
}

async fn start(store: &Store, uid: AccountId, seconds: i64) -> Result<(Recovery, bool), Refusal> {
    store
        .start_recovery(Recovery::start(uid, at(seconds)), &audit_context(seconds))
        .await
        .unwrap()
}

async fn c12_a_recovery_is_started_once_and_cancelled(store: &Store) {
    let uid = with_passkey(store).await;
    assert_eq!(store.recovery(uid).await.unwrap(), None);
    let first = Recovery::start(uid, at(1));
    assert_eq!(start(store, uid, 1).await, Ok((first, true)));
    for seconds in [2, 25 * 3600] {
        assert_eq!(start(store, uid, seconds).await, Ok((first, false)));
    }
    assert_eq!(store.recovery(uid).await.unwrap(), Some(first));
    assert!(store.cancel_recovery(uid, &audit_context(3)).await.unwrap());
    assert!(!store.cancel_recovery(uid, &audit_context(3)).await.unwrap());
    assert_eq!(store.recovery(uid).await.unwrap(), None);
    let again = start(store, uid, 4).await;
    assert_eq!(again, Ok((Recovery::start(uid, at(4)), true)));
    for (action, times) in [
        (AuditAction::RecoveryStarted, 2),
        (AuditAction::RecoveryCancelled, 1),
    ] {
        assert_eq!(audited(store, action.clone()).await, times);
    }
}

async fn c12_a_lapsed_recovery_is_replaced(store: &Store) {
    let uid = with_passkey(store).await;
    let first = start(store, uid, 0).await.unwrap().0;
    let lapse = first.lapses_at().as_second() - at(0).as_second();
    assert_eq!(start(store, uid, lapse - 1).await, Ok((first, false)));
    let anew = Recovery::start(uid, at(lapse));
    assert_eq!(start(store, uid, lapse).await, Ok((anew, true)));
}

async fn c12_an_account_without_a_passkey_has_nothing_to_recover(store: &Store) {
    let uid = account(store).await.uid;
    assert_eq!(start(store, uid, 0).await, Err(Refusal::NothingToRecover));
    assert_eq!(store.recovery(uid).await.unwrap(), None);
}
