//! Accounts: one per address, disabled and enabled.

use tm_auth_core::{EmailAddress, Refusal};
use tm_auth_proto::AccountId;

use super::given::{
    account, at, audit_context, audited, fresh_uuid, key, new_account, new_session, open, rotate, rotation,
    session,
};
use crate::{AuditAction, Change, OpenOutcome, Revocation, Revoked, Store};

super::table!("accounts":
    an_account_is_stored_as_it_was_created,
    an_address_belongs_to_one_account,
    c10_e10_a_disabled_account_opens_and_rotates_nothing,
    an_enabled_account_needs_a_new_decision,
    an_unknown_account_cannot_be_disabled,
);

async fn an_account_is_stored_as_it_was_created(store: &Store) {
    let late = new_account(Some("late@example.com"), 10);
    let early = new_account(None, 5);
    for new in [&late, &early] {
        let made = store
            .create_account(new.clone(), &audit_context(10))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (made.uid, made.organization_id, made.email.as_deref()),
            (
                new.uid,
                new.organization_id,
                new.email.as_ref().map(EmailAddress::as_str)
            )
        );
        assert_eq!((made.created_at, made.disabled_at), (new.created_at, None));
        assert_eq!(store.account(new.uid).await.unwrap(), Some(made));
    }
    let all = store.accounts().await.unwrap();
    let uids: Vec<_> = all.iter().map(|account| account.uid).collect();
    assert_eq!(uids, [early.uid, late.uid], "oldest first");
    assert_eq!(store.account(AccountId(fresh_uuid())).await.unwrap(), None);
    let trail = store.audit_trail(Some(late.uid), 10).await.unwrap();
    assert_eq!(trail.len(), 1);
    assert_eq!(trail[0].action, AuditAction::AccountCreated);
}

async fn an_address_belongs_to_one_account(store: &Store) {
    let first = new_account(Some("owner@example.com"), 0);
    assert!(
        store
            .create_account(first, &audit_context(0))
            .await
            .unwrap()
            .is_some()
    );
    let second = new_account(Some("owner@example.com"), 1);
    assert_eq!(
        store
            .create_account(second.clone(), &audit_context(1))
            .await
            .unwrap(),
        None
    );
    assert_eq!(store.account(second.uid).await.unwrap(), None);
    assert_eq!(audited(store, AuditAction::AccountCreated).await, 1);
    // Accounts without an address never collide.
    account(store).await;
    account(store).await;
}

async fn c10_e10_a_disabled_account_opens_and_rotates_nothing(store: &Store) {
    let key = key(store).await;
    let uid = key.account.uid;
    let (opened, secret) = session(store, &key).await;
    // The decision precedes the change and the insert follows it, so the account's version differs.
    let (decided, _) = new_session(&key, 1);
    let before = store.changes(0).await.unwrap().latest;
    assert!(
        store
            .set_account_disabled(uid, Some(at(2)), &audit_context(2))
            .await
            .unwrap()
    );

    assert_eq!(open(store, &decided).await, OpenOutcome::Changed);
    assert_eq!(
        rotate(store, rotation(opened.sid, &secret, 0, 3)).await,
        Err(Refusal::AccountDisabled)
    );
    let disabled = store.api_key(key.key_id).await.unwrap().unwrap();
    assert_eq!(disabled.account.disabled_at, Some(at(2)));
    // A decision on the current row is refused as well.
    let (again, _) = new_session(&disabled, 3);
    assert_eq!(open(store, &again).await, OpenOutcome::Changed);
    let entry = Revocation {
        revoked: Revoked::Account(uid),
        at: at(2),
    };
    assert_eq!(store.revocations(at(0)).await.unwrap(), [entry]);
    let changes = store.changes(before).await.unwrap().changes.unwrap();
    assert!(changes.contains(&Change::Account(uid)));
    assert_eq!(audited(store, AuditAction::AccountDisabled).await, 1);
}

async fn an_enabled_account_needs_a_new_decision(store: &Store) {
    let key = key(store).await;
    let (opened, secret) = session(store, &key).await;
    let (decided, _) = new_session(&key, 1);
    for disabled_at in [Some(at(2)), None] {
        store
            .set_account_disabled(key.account.uid, disabled_at, &audit_context(2))
            .await
            .unwrap();
    }
    assert_eq!(open(store, &decided).await, OpenOutcome::Changed);
    let now = store.api_key(key.key_id).await.unwrap().unwrap();
    assert_eq!(open(store, &new_session(&now, 3).0).await, OpenOutcome::Opened);
    assert!(rotate(store, rotation(opened.sid, &secret, 0, 3)).await.is_ok());
    // The tokens issued before stay revoked.
    assert_eq!(store.revocations(at(0)).await.unwrap().len(), 1);
    assert_eq!(audited(store, AuditAction::AccountEnabled).await, 1);
}

async fn an_unknown_account_cannot_be_disabled(store: &Store) {
    let nobody = AccountId(fresh_uuid());
    assert!(
        !store
            .set_account_disabled(nobody, Some(at(0)), &audit_context(0))
            .await
            .unwrap()
    );
    assert!(store.revocations(at(0)).await.unwrap().is_empty());
    assert_eq!(audited(store, AuditAction::AccountDisabled).await, 0);
}
