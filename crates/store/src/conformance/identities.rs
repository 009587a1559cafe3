//! E-mail addresses of accounts and their cooldown, login methods, and deleted accounts.

use jiff::SignedDuration;
use tm_auth_core::email_code::Purpose;
use tm_auth_core::rotation::TokenFamily;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::user::{AuthMethod, Proof, SessionKind, UserSession, session_id};
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::given::{
    ADDRESS, account, at, audit_context, audited, fresh_uuid, key, new_account, new_session, open, rotate,
    rotation, session,
};
use crate::email_code::ProvedEmail;
use crate::identity::COOLDOWN;
use crate::{AuditAction, Change, EmailChange, LoginMethods, OpenOutcome, Revocation, Revoked, Store};

super::table!("identities":
    an_address_finds_the_account_that_verified_it,
    f21_a_changed_address_replaces_the_old_one,
    f21_an_address_with_an_owner_is_not_taken,
    f22_an_address_that_was_given_up_is_in_cooldown_for_thirty_days,
    f22_an_account_may_have_its_own_old_address_back,
    g20_the_login_methods_of_an_account_are_counted,
    e10_a_deleted_account_can_do_nothing,
    f22_a_deleted_account_is_never_created_again,
);

async fn owner(store: &Store, email: &str) -> Account {
    let new = new_account(Some(email), 0);
    store
        .create_account(new, &audit_context(0))
        .await
        .unwrap()
        .unwrap()
}

async fn set(store: &Store, uid: AccountId, email: &str, seconds: i64) -> EmailChange {
    let proved = ProvedEmail {
        email: email.parse().unwrap(),
        purpose: Purpose::SetEmail(uid),
    };
    store.set_email(proved, &audit_context(seconds)).await.unwrap()
}

async fn found(store: &Store, email: &str) -> Option<AccountId> {
    let account = store.account_by_email(email).await.unwrap();
    account.map(|account| account.uid)
}

fn changed(old: &str) -> EmailChange {
    EmailChange::Changed(Some(old.to_owned()))
}

async fn an_address_finds_the_account_that_verified_it(store: &Store) {
    let a = owner(store, "a@example.com").await;
    let b = owner(store, "b@example.com").await;
    account(store).await;
    assert_eq!(store.account_by_email("a@example.com").await.unwrap(), Some(a));
    assert_eq!(found(store, "b@example.com").await, Some(b.uid));
    // Exactly as stored: callers have the address in its canonical form.
    for other in ["A@example.com", "a@example.co", "", "%", "a@example.com "] {
        assert_eq!(found(store, other).await, None, "{other}");
    }
    store
        .set_account_disabled(b.uid, Some(at(1)), &audit_context(1))
        .await
        .unwrap();
    assert_eq!(
        found(store, "b@example.com").await,
        Some(b.uid),
        "a disabled account is still found"
    );
}

async fn f21_a_changed_address_replaces_the_old_one(store: &Store) {
    let before = owner(store, "old@example.com").await;
    let latest = store.changes(0).await.unwrap().latest;
    assert_eq!(
        set(store, before.uid, "new@example.com", 5).await,
        changed("old@example.com")
    );
    let after = store.account(before.uid).await.unwrap().unwrap();
    assert_eq!(after.email.as_deref(), Some("new@example.com"));
    assert!(after.version > before.version, "a change increases the version");
    assert_eq!(found(store, "new@example.com").await, Some(before.uid));
    assert_eq!(found(store, "old@example.com").await, None);
    let changes = store.changes(latest).await.unwrap().changes.unwrap();
    assert_eq!(changes, [Change::Account(before.uid)]);
    assert_eq!(audited(store, AuditAction::EmailChanged).await, 1);
    assert_eq!(
        set(store, before.uid, "new@example.com", 6).await,
        EmailChange::Unchanged
    );
    assert_eq!(audited(store, AuditAction::EmailChanged).await, 1);
    // An account without an address puts none into cooldown.
    let none = account(store).await;
    assert_eq!(
        set(store, none.uid, "first@example.com", 7).await,
        EmailChange::Changed(None)
    );
}

async fn f21_an_address_with_an_owner_is_not_taken(store: &Store) {
    let a = owner(store, "a@example.com").await;
    let b = owner(store, "b@example.com").await;
    assert_eq!(set(store, b.uid, "a@example.com", 1).await, EmailChange::Taken);
    assert_eq!(found(store, "a@example.com").await, Some(a.uid));
    assert_eq!(found(store, "b@example.com").await, Some(b.uid));
    store
        .set_account_disabled(b.uid, Some(at(2)), &audit_context(2))
        .await
        .unwrap();
    assert_eq!(
        set(store, b.uid, "c@example.com", 3).await,
        EmailChange::NoAccount
    );
    let to_sign_in = ProvedEmail {
        email: "c@example.com".parse().unwrap(),
        purpose: Purpose::SignIn,
    };
    let refused = store.set_email(to_sign_in, &audit_context(3)).await.unwrap();
    assert_eq!(
        refused,
        EmailChange::NoAccount,
        "an address verified for another purpose is refused"
    );
    let nobody = AccountId(fresh_uuid());
    assert_eq!(
        set(store, nobody, "c@example.com", 3).await,
        EmailChange::NoAccount
    );
    assert_eq!(found(store, "c@example.com").await, None);
    assert_eq!(audited(store, AuditAction::EmailChanged).await, 0);
}

async fn f22_an_address_that_was_given_up_is_in_cooldown_for_thirty_days(store: &Store) {
    let first = owner(store, "a@example.com").await;
    let other = account(store).await;
    assert_eq!(
        set(store, first.uid, "b@example.com", 0).await,
        changed("a@example.com")
    );
    let end = COOLDOWN.as_secs();
    for seconds in [0, 1, end - 1] {
        let new = new_account(Some("a@example.com"), seconds);
        let made = store
            .create_account(new.clone(), &audit_context(seconds))
            .await
            .unwrap();
        assert_eq!(made, None);
        assert_eq!(
            store.account(new.uid).await.unwrap(),
            None,
            "a refused account leaves no row"
        );
        assert_eq!(
            set(store, other.uid, "a@example.com", seconds).await,
            EmailChange::Taken
        );
    }
    let new = new_account(Some("a@example.com"), end);
    let made = store
        .create_account(new.clone(), &audit_context(end))
        .await
        .unwrap()
        .unwrap();
    assert_ne!(made.uid, first.uid);
    assert_eq!(found(store, "a@example.com").await, Some(new.uid));
    // If the new owner gives up the address, it is in cooldown again.
    assert_eq!(
        set(store, new.uid, "c@example.com", end + 1).await,
        changed("a@example.com")
    );
    assert_eq!(
        set(store, first.uid, "a@example.com", end + 2).await,
        EmailChange::Taken
    );
}

async fn f22_an_account_may_have_its_own_old_address_back(store: &Store) {
    let owner = owner(store, "a@example.com").await;
    set(store, owner.uid, "b@example.com", 0).await;
    assert_eq!(
        set(store, owner.uid, "a@example.com", 1).await,
        changed("b@example.com")
    );
    assert_eq!(found(store, "a@example.com").await, Some(owner.uid));
    // Now the other address is in cooldown, and this one is not.
    let thief = account(store).await;
    assert_eq!(
        set(store, thief.uid, "b@example.com", 2).await,
        EmailChange::Taken
    );
    assert_eq!(
        set(store, owner.uid, "b@example.com", 3).await,
        changed("a@example.com")
    );
}

async fn g20_the_login_methods_of_an_account_are_counted(store: &Store) {
    let owner = owner(store, "a@example.com").await;
    let none = account(store).await;
    let ways = store.login_methods(owner.uid).await.unwrap();
    assert_eq!(
        ways,
        LoginMethods {
            passkeys: 0,
            email: Some("a@example.com".to_owned()),
            apple: 0
        }
    );
    assert_eq!(ways.count(), 1);
    assert_eq!(store.login_methods(none.uid).await.unwrap().count(), 0);
}

async fn e10_a_deleted_account_can_do_nothing(store: &Store) {
    let key = key(store).await;
    let uid = key.account.uid;
    set(store, uid, "a@example.com", 0).await;
    let key = store.api_key(key.key_id).await.unwrap().unwrap();
    let (opened, secret) = session(store, &key).await;
    let user = user_session(uid);
    let network = "192.0.2.0/24".to_owned();
    let opened_browser = store
        .open_user_session(user.clone(), network.clone(), None, &audit_context(0))
        .await;
    assert!(opened_browser.unwrap());
    let decided = new_session(&key, 1).0;
    let latest = store.changes(0).await.unwrap().latest;

    assert!(store.delete_account(uid, &audit_context(2)).await.unwrap());

    assert_eq!(open(store, &decided).await, OpenOutcome::Changed);
    let again = store.api_key(key.key_id).await.unwrap().unwrap();
    assert_eq!(again.lifecycle.revoked_at(), Some(at(2)));
    assert_eq!(again.account.disabled_at, Some(at(2)));
    assert_eq!(open(store, &new_session(&again, 3).0).await, OpenOutcome::Changed);
    let refused = rotate(store, rotation(opened.sid, &secret, 0, 3)).await;
    assert!(
        matches!(refused, Err(Refusal::AccountDisabled | Refusal::KeyRevoked)),
        "{refused:?}"
    );
    let (ended, _) = store.user_session(user.sid).await.unwrap().unwrap();
    assert!(ended.ended.is_some());
    let another = store
        .open_user_session(user_session(uid), network, None, &audit_context(3))
        .await;
    assert!(!another.unwrap());
    let list = store.revocations(at(0)).await.unwrap();
    let whole = Revocation {
        revoked: Revoked::Account(uid),
        at: at(2),
    };
    assert!(list.contains(&whole), "{list:?}");
    let changes = store.changes(latest).await.unwrap().changes.unwrap();
    assert!(changes.contains(&Change::Account(uid)));
    assert_eq!(audited(store, AuditAction::AccountDeleted).await, 1);
}

fn user_session(uid: AccountId) -> UserSession {
    let random = fresh_uuid().as_bytes()[6..].try_into().expect("ten bytes");
    UserSession {
        sid: session_id(at(0), &random),
        uid,
        kind: SessionKind::Browser,
        secret_hash: SessionSecret::new([7; 16]).hash(),
        proof: Proof {
            method: AuthMethod::EmailCode,
            at: at(0),
        },
        family: TokenFamily::start(at(0)),
        mac_kid: None,
        opened_at: at(0),
        last_used_at: at(0),
        expires_at: at(0) + SignedDuration::from_hours(24),
        address: ADDRESS,
        device: "a browser".to_owned(),
        ended: None,
    }
}

async fn f22_a_deleted_account_is_never_created_again(store: &Store) {
    let gone = owner(store, "a@example.com").await;
    assert!(
        !store
            .delete_account(AccountId(fresh_uuid()), &audit_context(1))
            .await
            .unwrap()
    );
    assert!(store.delete_account(gone.uid, &audit_context(1)).await.unwrap());
    assert!(
        !store.delete_account(gone.uid, &audit_context(2)).await.unwrap(),
        "a second deletion finds no account"
    );
    let enabled = store
        .set_account_disabled(gone.uid, None, &audit_context(3))
        .await
        .unwrap();
    assert!(!enabled, "a deleted account cannot be enabled");
    assert_eq!(
        set(store, gone.uid, "b@example.com", 3).await,
        EmailChange::NoAccount
    );

    let row = store.account(gone.uid).await.unwrap().unwrap();
    assert_eq!((row.email, row.disabled_at), (None, Some(at(1))));
    assert_eq!(store.contact_email(gone.uid).await.unwrap(), None);
    assert_eq!(
        store.login_methods(gone.uid).await.unwrap(),
        LoginMethods::default()
    );
    let trail = store.audit_trail(Some(gone.uid), 10).await.unwrap();
    let actions: Vec<_> = trail.iter().map(|entry| entry.action.clone()).collect();
    assert_eq!(
        actions,
        [AuditAction::AccountDeleted, AuditAction::AccountCreated],
        "the audit trail stays"
    );

    let mut same = new_account(None, 4);
    same.uid = gone.uid;
    assert!(
        store.create_account(same, &audit_context(4)).await.is_err(),
        "the id cannot be used again"
    );
    // Its address is in cooldown like any other.
    let new = new_account(Some("a@example.com"), 5);
    assert_eq!(
        store
            .create_account(new.clone(), &audit_context(5))
            .await
            .unwrap(),
        None
    );
    let later = 1 + COOLDOWN.as_secs();
    assert!(
        store
            .create_account(new, &audit_context(later))
            .await
            .unwrap()
            .is_some()
    );
}
