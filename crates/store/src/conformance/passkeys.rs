//! Passkeys: unique credentials, updated by use, and not removed if they are the last login method.

use std::sync::Arc;

use tm_auth_core::recovery::Recovery;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::given::{account, at, audit_context, audited, fresh_uuid, new_account};
use crate::passkey::{AddedBy, NewPasskey, Passkey, PasskeyUse, PasskeyUser};
use crate::{AuditAction, AuditContext, Store};

super::table!("passkeys":
    g17_the_user_handle_of_an_account_never_changes,
    g01_a_sign_up_creates_an_account_with_its_passkey,
    g10_a_sign_up_with_a_known_credential_creates_nothing,
    g10_a_credential_belongs_to_one_account,
    passkeys_are_stored_as_they_were_created_and_counted,
    g14_a_use_updates_the_passkey,
    g14_a_device_bound_passkey_whose_counter_does_not_increase_is_refused_and_noted,
    g14_concurrent_uses_never_lower_the_counter,
    g20_the_last_login_method_cannot_be_removed,
    g21_a_passkey_is_renamed_and_removed_by_its_owner_alone,
    c12_a_use_cancels_a_recovery,
    c12_a_recovery_adds_one_passkey_after_its_waiting_time,
    a_disabled_account_gets_no_passkey,
);

const MANY: u32 = 20;

fn new(id: u8, seconds: i64) -> NewPasskey {
    NewPasskey {
        credential_id: vec![id; 32],
        name: format!("phone {id}"),
        credential: "{}".to_owned(),
        counter: 0,
        backup_eligible: true,
        backed_up: false,
        created_at: at(seconds),
    }
}

/// The stored passkey before its first use.
fn kept(new: NewPasskey, uid: AccountId) -> Passkey {
    Passkey {
        credential_id: new.credential_id,
        uid,
        name: new.name,
        credential: new.credential,
        counter: new.counter,
        backup_eligible: new.backup_eligible,
        backed_up: new.backed_up,
        created_at: new.created_at,
        last_used_at: None,
        suspect_at: None,
    }
}

async fn add(store: &Store, uid: AccountId, passkey: NewPasskey) -> Result<bool, Refusal> {
    let audit_context = AuditContext {
        at: passkey.created_at,
        ..audit_context(0)
    };
    store
        .add_passkey(uid, passkey, AddedBy::Proof, MANY, &audit_context)
        .await
        .unwrap()
}

/// An account without an address, with this passkey.
async fn with_passkey(store: &Store, passkey: NewPasskey) -> Account {
    let account = account(store).await;
    assert_eq!(add(store, account.uid, passkey).await, Ok(false));
    account
}

async fn read(store: &Store, id: u8) -> Option<Passkey> {
    let found = store.passkey(vec![id; 32]).await.unwrap();
    found.map(|(passkey, _)| passkey)
}

fn used(counter: u32) -> PasskeyUse {
    PasskeyUse {
        counter,
        backed_up: true,
    }
}

async fn g17_the_user_handle_of_an_account_never_changes(store: &Store) {
    let uid = account(store).await.uid;
    let user = |fresh: u8| store.passkey_user(uid, [fresh; 64]);
    let first = user(1).await.unwrap().unwrap();
    assert_eq!((first.handle, first.display_name.clone()), ([1; 64], None));
    assert_eq!(user(2).await.unwrap(), Some(first));
    let found = store.account_by_user_handle([1; 64]).await.unwrap();
    assert_eq!(found.map(|account| account.uid), Some(uid));
    assert_eq!(store.account_by_user_handle([2; 64]).await.unwrap(), None);
    let nobody = AccountId(fresh_uuid());
    assert_eq!(store.passkey_user(nobody, [3; 64]).await.unwrap(), None);
}

async fn g01_a_sign_up_creates_an_account_with_its_passkey(store: &Store) {
    let (account, passkey) = (new_account(None, 0), new(1, 0));
    let user = PasskeyUser {
        handle: [7; 64],
        display_name: Some("Ada".to_owned()),
    };
    let made = store
        .sign_up_with_passkey(account.clone(), user.clone(), passkey.clone(), &audit_context(0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((made.uid, made.email.as_deref()), (account.uid, None));
    let found = store.passkey(vec![1; 32]).await.unwrap();
    assert_eq!(found, Some((kept(passkey, made.uid), made.clone())));
    assert_eq!(store.passkey_user(made.uid, [8; 64]).await.unwrap(), Some(user));
    let by_handle = store.account_by_user_handle([7; 64]).await.unwrap();
    assert_eq!(by_handle, Some(made));
    assert_eq!(audited(store, AuditAction::AccountCreated).await, 1);
    assert_eq!(audited(store, AuditAction::PasskeyAdded).await, 1);
}

async fn g10_a_sign_up_with_a_known_credential_creates_nothing(store: &Store) {
    let owner = with_passkey(store, new(1, 0)).await;
    let account = new_account(None, 1);
    let user = PasskeyUser {
        handle: [7; 64],
        display_name: None,
    };
    let refused = store
        .sign_up_with_passkey(account.clone(), user, new(1, 1), &audit_context(1))
        .await
        .unwrap();
    assert_eq!(refused, Err(Refusal::PasskeyAlreadyRegistered));
    assert_eq!(store.account(account.uid).await.unwrap(), None);
    assert_eq!(read(store, 1).await, Some(kept(new(1, 0), owner.uid)));
}

async fn g10_a_credential_belongs_to_one_account(store: &Store) {
    let owner = with_passkey(store, new(1, 0)).await;
    let other = account(store).await;
    for uid in [owner.uid, other.uid] {
        assert_eq!(
            add(store, uid, new(1, 1)).await,
            Err(Refusal::PasskeyAlreadyRegistered)
        );
    }
    assert_eq!(store.passkeys_of(other.uid).await.unwrap(), []);
    let its = store.passkeys_of(owner.uid).await.unwrap();
    assert_eq!(its, [kept(new(1, 0), owner.uid)]);
}

async fn passkeys_are_stored_as_they_were_created_and_counted(store: &Store) {
    let uid = account(store).await.uid;
    let late = new(1, 10);
    let early = NewPasskey {
        counter: u32::MAX,
        backup_eligible: false,
        ..new(2, 5)
    };
    assert!(!store.has_passkey(uid).await.unwrap());
    for passkey in [&late, &early] {
        assert_eq!(add(store, uid, passkey.clone()).await, Ok(false));
    }
    assert!(store.has_passkey(uid).await.unwrap());
    let expected = [kept(early, uid), kept(late, uid)];
    assert_eq!(store.passkeys_of(uid).await.unwrap(), expected, "oldest first");
    let full = store
        .add_passkey(uid, new(3, 11), AddedBy::Proof, 2, &audit_context(11))
        .await
        .unwrap();
    assert_eq!(full, Err(Refusal::PasskeyLimitReached { limit: 2 }));
    assert_eq!(store.passkey(vec![9; 32]).await.unwrap(), None);
}

async fn g14_a_use_updates_the_passkey(store: &Store) {
    let uid = with_passkey(store, new(1, 0)).await.uid;
    for (seconds, counter, suspect, highest) in [(1, 5, false, 5), (2, 4, true, 5), (3, 6, false, 6)] {
        let outcome = store
            .use_passkey(vec![1; 32], used(counter), &audit_context(seconds))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((outcome.suspect, outcome.recovery_cancelled), (suspect, false));
        let passkey = read(store, 1).await.unwrap();
        assert_eq!((passkey.counter, passkey.backed_up), (highest, true));
        assert_eq!(passkey.last_used_at, Some(at(seconds)));
        assert_eq!(passkey.suspect_at, (seconds > 1).then_some(at(2)));
    }
    // A late record of an older use changes nothing.
    let late = store.use_passkey(vec![1; 32], used(7), &audit_context(1)).await;
    assert!(late.unwrap().is_ok());
    assert_eq!(read(store, 1).await.unwrap().last_used_at, Some(at(3)));
    let unknown = store.use_passkey(vec![2; 32], used(1), &audit_context(4)).await;
    assert_eq!(unknown.unwrap(), Err(Refusal::PasskeyRefused));
    assert_eq!(store.passkeys_of(uid).await.unwrap().len(), 1);
}

async fn g14_a_device_bound_passkey_whose_counter_does_not_increase_is_refused_and_noted(store: &Store) {
    let bound = NewPasskey {
        backup_eligible: false,
        counter: 5,
        ..new(1, 0)
    };
    with_passkey(store, bound).await;
    for counter in [5, 4, 0] {
        let refused = store
            .use_passkey(vec![1; 32], used(counter), &audit_context(1))
            .await
            .unwrap();
        assert_eq!(refused, Err(Refusal::PasskeyRefused));
    }
    let passkey = read(store, 1).await.unwrap();
    assert_eq!((passkey.counter, passkey.last_used_at), (5, None));
    assert_eq!(passkey.suspect_at, Some(at(1)));
    assert_eq!(audited(store, AuditAction::SignInRefused).await, 3);
}

async fn g14_concurrent_uses_never_lower_the_counter(store: &Arc<Store>) {
    with_passkey(store, new(1, 0)).await;
    let mut racers = tokio::task::JoinSet::new();
    for counter in 1..=50 {
        let store = Arc::clone(store);
        racers.spawn(async move {
            store
                .use_passkey(vec![1; 32], used(counter), &audit_context(1))
                .await
                .unwrap()
                .unwrap()
        });
    }
    racers.join_all().await;
    assert_eq!(read(store, 1).await.unwrap().counter, 50);
}

async fn g20_the_last_login_method_cannot_be_removed(store: &Store) {
    let bare = with_passkey(store, new(1, 0)).await;
    let later = audit_context(2);
    let remove = |uid, id: u8| store.remove_passkey(uid, vec![id; 32], &later);
    let refused = remove(bare.uid, 1).await.unwrap();
    assert_eq!(refused, Err(Refusal::LastLoginMethod));
    assert_eq!(add(store, bare.uid, new(2, 1)).await, Ok(false));
    assert_eq!(remove(bare.uid, 1).await.unwrap(), Ok("phone 1".to_owned()));
    let refused = remove(bare.uid, 2).await.unwrap();
    assert_eq!(refused, Err(Refusal::LastLoginMethod));

    let with_address = new_account(Some("owner@example.com"), 0);
    let with_address = store.create_account(with_address, &audit_context(0)).await;
    let uid = with_address.unwrap().unwrap().uid;
    assert_eq!(add(store, uid, new(3, 1)).await, Ok(false));
    assert!(remove(uid, 3).await.unwrap().is_ok());
    assert_eq!(store.passkeys_of(uid).await.unwrap(), []);
}

async fn g21_a_passkey_is_renamed_and_removed_by_its_owner_alone(store: &Store) {
    let owner = with_passkey(store, new(1, 0)).await;
    assert_eq!(add(store, owner.uid, new(2, 0)).await, Ok(false));
    let other = account(store).await;
    let later = audit_context(1);
    let rename = |uid| store.rename_passkey(uid, vec![1; 32], "key ring".to_owned(), &later);
    let remove = |uid| store.remove_passkey(uid, vec![1; 32], &later);
    assert_eq!(rename(other.uid).await.unwrap(), Err(Refusal::PasskeyNotFound));
    assert_eq!(remove(other.uid).await.unwrap(), Err(Refusal::PasskeyNotFound));
    assert_eq!(rename(owner.uid).await.unwrap(), Ok(()));
    assert_eq!(read(store, 1).await.unwrap().name, "key ring");
    assert_eq!(remove(owner.uid).await.unwrap(), Ok("key ring".to_owned()));
    assert_eq!(read(store, 1).await, None);
    assert_eq!(remove(owner.uid).await.unwrap(), Err(Refusal::PasskeyNotFound));
    for (action, times) in [(AuditAction::PasskeyRenamed, 1), (AuditAction::PasskeyRemoved, 1)] {
        assert_eq!(audited(store, action.clone()).await, times);
    }
}

async fn c12_a_use_cancels_a_recovery(store: &Store) {
    let uid = with_passkey(store, new(1, 0)).await.uid;
    let started = store
        .start_recovery(Recovery::start(uid, at(1)), &audit_context(1))
        .await;
    assert!(started.unwrap().unwrap().1);
    for (counter, cancelled) in [(1, true), (2, false)] {
        let outcome = store
            .use_passkey(vec![1; 32], used(counter), &audit_context(2))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(outcome.recovery_cancelled, cancelled);
    }
    assert_eq!(store.recovery(uid).await.unwrap(), None);
    assert_eq!(audited(store, AuditAction::RecoveryCancelled).await, 1);
}

async fn c12_a_recovery_adds_one_passkey_after_its_waiting_time(store: &Arc<Store>) {
    let uid = with_passkey(store, new(1, 0)).await.uid;
    let (day, lapse) = (24 * 3600, 8 * 24 * 3600);
    let recover = |id, seconds| {
        let (store, audit_context) = (Arc::clone(store), audit_context(seconds));
        async move {
            store
                .add_passkey(uid, new(id, seconds), AddedBy::Recovery, MANY, &audit_context)
                .await
                .unwrap()
        }
    };
    assert_eq!(recover(2, day).await, Err(Refusal::ProofTooWeak), "none");
    let started = store
        .start_recovery(Recovery::start(uid, at(0)), &audit_context(0))
        .await;
    assert!(started.unwrap().is_ok());
    assert_eq!(
        recover(2, day - 1).await,
        Err(Refusal::ProofTooWeak),
        "before the waiting time is over"
    );
    assert_eq!(recover(2, lapse).await, Err(Refusal::ProofTooWeak), "lapsed");
    assert_eq!(recover(2, day).await, Ok(true));
    assert_eq!(
        recover(3, day).await,
        Err(Refusal::ProofTooWeak),
        "the recovery is used up"
    );
    assert_eq!(store.passkeys_of(uid).await.unwrap().len(), 2);
    assert_eq!(audited(store, AuditAction::RecoveryCompleted).await, 1);
}

async fn a_disabled_account_gets_no_passkey(store: &Store) {
    let uid = account(store).await.uid;
    store
        .set_account_disabled(uid, Some(at(1)), &audit_context(1))
        .await
        .unwrap();
    assert_eq!(add(store, uid, new(1, 2)).await, Err(Refusal::AccountDisabled));
    assert_eq!(store.passkeys_of(uid).await.unwrap(), []);
}
