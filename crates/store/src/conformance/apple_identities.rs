//! Apple identities: one account each, found by (iss, sub) only.

use tm_auth_core::user::SessionKind;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::{AccountId, SessionId};

use super::email_codes::{ADA, asked, attempt, consume};
use super::given::{account, at, audit_context, audited, fresh_uuid, new_account};
use super::user_sessions::open_session;
use crate::{AppleIdentity, AppleSignIn, AppleSubject, AuditAction, Store};

super::table!("apple_identities":
    g23_an_account_is_created_once_and_found_by_its_subject,
    g23_an_address_selects_no_account,
    g25_codes_from_before_an_account_do_not_log_in_to_it,
    two_concurrent_logins_create_one_account,
    an_account_has_one_identity_and_an_identity_one_account,
    g20_the_last_login_method_is_not_unlinked,
    g27_a_withdrawn_identity_is_unlinked_and_its_sessions_end,
    g27_the_only_login_method_is_marked_if_consent_is_withdrawn,
    g27_an_old_report_does_nothing,
    nothing_is_created_or_linked_for_a_disabled_account,
);

const ISS: &str = "https://apple.test";

fn subject(sub: &str, email: Option<&str>) -> AppleSubject {
    AppleSubject {
        iss: ISS.to_owned(),
        sub: sub.to_owned(),
        email: email.map(|email| email.parse().expect("an address")),
        private_relay: false,
    }
}

async fn sign_in(store: &Store, subject: AppleSubject, seconds: i64) -> AppleSignIn {
    let new = new_account(None, seconds);
    let name = Some("Ada Lovelace".to_owned());
    store
        .account_by_apple(subject, new, name, &audit_context(seconds))
        .await
        .unwrap()
}

async fn made(store: &Store, subject: AppleSubject) -> Account {
    match sign_in(store, subject, 0).await {
        AppleSignIn::Made(account) => account,
        other => panic!("{other:?}"),
    }
}

async fn identity(store: &Store, uid: AccountId) -> Option<AppleIdentity> {
    store.apple_identity_of(uid).await.unwrap()
}

async fn with_address(store: &Store, email: &str) -> Account {
    let new = new_account(Some(email), 0);
    store
        .create_account(new, &audit_context(0))
        .await
        .unwrap()
        .unwrap()
}

async fn g23_an_account_is_created_once_and_found_by_its_subject(store: &Store) {
    let account = made(store, subject("s1", Some("ada@example.com"))).await;
    assert_eq!(account.email, None, "this service has not verified it");
    let again = sign_in(store, subject("s1", Some("other@example.com")), 5).await;
    assert_eq!(again, AppleSignIn::Known(account.clone()));
    let kept = identity(store, account.uid).await.unwrap();
    assert_eq!((kept.iss.as_str(), kept.sub.as_str()), (ISS, "s1"));
    assert_eq!(
        kept.email.as_deref(),
        Some("other@example.com"),
        "the newest ID token counts"
    );
    assert_eq!((kept.created_at, kept.withdrawn_at), (at(0), None));
    // If the ID token has no address, the stored one stays.
    sign_in(store, subject("s1", None), 6).await;
    assert_eq!(identity(store, account.uid).await.unwrap().email, kept.email);
    let elsewhere = AppleSubject {
        iss: "https://other.test".to_owned(),
        ..subject("s1", None)
    };
    assert_ne!(made(store, elsewhere).await.uid, account.uid);
    assert_eq!(store.accounts().await.unwrap().len(), 2);
    assert_eq!(audited(store, AuditAction::AppleLinked).await, 2);
    assert_eq!(
        store
            .account_of_apple(ISS.to_owned(), "s1".to_owned())
            .await
            .unwrap(),
        Some(account)
    );
    assert_eq!(
        store
            .account_of_apple(ISS.to_owned(), "s2".to_owned())
            .await
            .unwrap(),
        None
    );
}

async fn g23_an_address_selects_no_account(store: &Store) {
    let owner = with_address(store, "ada@example.com").await;
    let outcome = sign_in(store, subject("s1", Some("ada@example.com")), 1).await;
    assert_eq!(outcome, AppleSignIn::AddressHasAccount);
    assert_eq!(identity(store, owner.uid).await, None);
    assert_eq!(store.accounts().await.unwrap(), std::slice::from_ref(&owner));
    // After the owner links the identity, it logs in to the owner's account.
    let linking = subject("s1", Some("ada@example.com"));
    store
        .link_apple(owner.uid, linking.clone(), &audit_context(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(sign_in(store, linking, 3).await, AppleSignIn::Known(owner));
    // The address of an Apple identity is unverified, so its owner can still use it.
    made(store, subject("s2", Some("bob@example.com"))).await;
    with_address(store, "bob@example.com").await;
}

async fn g25_codes_from_before_an_account_do_not_log_in_to_it(store: &Store) {
    asked(store, 0).await;
    let account = made(store, subject("s1", Some(ADA))).await;
    let refused = consume(store, attempt("12345678", "owner", 1)).await;
    assert_eq!(
        refused.map(|_| ()),
        Err(Refusal::InvalidCode),
        "creating the account invalidates the code"
    );
    assert_eq!(store.accounts().await.unwrap(), [account]);
    // A code that is requested later logs in to another account.
    asked(store, 100).await;
    sign_in(store, subject("s1", Some(ADA)), 101).await;
    assert!(consume(store, attempt("12345678", "owner", 102)).await.is_ok());
}

async fn two_concurrent_logins_create_one_account(store: &Store) {
    let (one, two) = tokio::join!(
        sign_in(store, subject("s1", None), 0),
        sign_in(store, subject("s1", None), 0)
    );
    let uid = |outcome: &AppleSignIn| match outcome {
        AppleSignIn::Known(account) | AppleSignIn::Made(account) => account.uid,
        AppleSignIn::AddressHasAccount => panic!("there is no address"),
    };
    assert_eq!(uid(&one), uid(&two));
    assert_eq!(store.accounts().await.unwrap().len(), 1);
}

async fn an_account_has_one_identity_and_an_identity_one_account(store: &Store) {
    let (first, second) = (account(store).await, account(store).await);
    let link = async |uid, sub: &str| {
        store
            .link_apple(uid, subject(sub, None), &audit_context(1))
            .await
            .unwrap()
    };
    assert_eq!(link(first.uid, "s1").await, Ok(()));
    assert_eq!(
        link(first.uid, "s1").await,
        Ok(()),
        "linking it again changes nothing"
    );
    assert_eq!(link(second.uid, "s1").await, Err(Refusal::AppleLinkedElsewhere));
    assert_eq!(link(first.uid, "s2").await, Err(Refusal::AppleAlreadyLinked));
    assert_eq!(identity(store, second.uid).await, None);
    assert_eq!(identity(store, first.uid).await.unwrap().sub, "s1");
    assert_eq!(audited(store, AuditAction::AppleLinked).await, 1);
}

async fn g20_the_last_login_method_is_not_unlinked(store: &Store) {
    let only = made(store, subject("s1", None)).await;
    let unlink = async |uid| store.unlink_apple(uid, &audit_context(1)).await.unwrap();
    assert_eq!(unlink(only.uid).await, Err(Refusal::LastLoginMethod));
    assert!(identity(store, only.uid).await.is_some());
    let owner = with_address(store, "ada@example.com").await;
    assert_eq!(unlink(owner.uid).await, Ok(false));
    store
        .link_apple(owner.uid, subject("s2", None), &audit_context(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(unlink(owner.uid).await, Ok(true));
    assert_eq!(identity(store, owner.uid).await, None);
    assert_eq!(audited(store, AuditAction::AppleUnlinked).await, 1);
}

async fn withdraw(store: &Store, sub: &str, seconds: i64) -> Option<bool> {
    let told = store
        .withdraw_apple(
            ISS.to_owned(),
            sub.to_owned(),
            at(seconds),
            &audit_context(seconds),
        )
        .await;
    told.unwrap().map(|withdrawal| withdrawal.kept)
}

/// A session of this account in a browser.
async fn browser(store: &Store, account: &Account) -> SessionId {
    open_session(store, account, SessionKind::Browser, 0).await.sid
}

async fn g27_a_withdrawn_identity_is_unlinked_and_its_sessions_end(store: &Store) {
    let owner = with_address(store, "ada@example.com").await;
    let other = account(store).await;
    store
        .link_apple(owner.uid, subject("s1", None), &audit_context(0))
        .await
        .unwrap()
        .unwrap();
    let (mine, theirs) = (browser(store, &owner).await, browser(store, &other).await);
    assert_eq!(withdraw(store, "s1", 5).await, Some(false));
    assert_eq!(identity(store, owner.uid).await, None);
    let ended = async |sid| store.user_session(sid).await.unwrap().unwrap().0.ended.is_some();
    assert!(ended(mine).await);
    assert!(!ended(theirs).await, "another account's session stays live");
    assert_eq!(audited(store, AuditAction::AppleUnlinked).await, 1);
    assert_eq!(
        withdraw(store, "s1", 6).await,
        None,
        "no account has the identity any more"
    );
    assert_eq!(withdraw(store, "s9", 6).await, None);
}

async fn g27_the_only_login_method_is_marked_if_consent_is_withdrawn(store: &Store) {
    let only = made(store, subject("s1", None)).await;
    let mine = browser(store, &only).await;
    assert_eq!(withdraw(store, "s1", 5).await, Some(true));
    assert!(store.user_session(mine).await.unwrap().unwrap().0.ended.is_some());
    assert_eq!(identity(store, only.uid).await.unwrap().withdrawn_at, Some(at(5)));
    assert_eq!(
        withdraw(store, "s1", 6).await,
        None,
        "the identity is already marked"
    );
    // No other account can link it, and new consent logs in to the same account.
    let other = account(store).await;
    let taken = store
        .link_apple(other.uid, subject("s1", None), &audit_context(6))
        .await
        .unwrap();
    assert_eq!(taken, Err(Refusal::AppleLinkedElsewhere));
    assert_eq!(
        sign_in(store, subject("s1", None), 7).await,
        AppleSignIn::Known(only.clone())
    );
    let again = identity(store, only.uid).await.unwrap();
    assert_eq!((again.withdrawn_at, again.created_at), (None, at(7)));
    // Another identity can replace a withdrawn one.
    assert_eq!(withdraw(store, "s1", 8).await, Some(true));
    store
        .link_apple(only.uid, subject("s2", None), &audit_context(9))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(identity(store, only.uid).await.unwrap().sub, "s2");
}

async fn g27_an_old_report_does_nothing(store: &Store) {
    let owner = with_address(store, "ada@example.com").await;
    store
        .link_apple(owner.uid, subject("s1", None), &audit_context(10))
        .await
        .unwrap()
        .unwrap();
    let mine = browser(store, &owner).await;
    assert_eq!(withdraw(store, "s1", 9).await, None);
    assert!(identity(store, owner.uid).await.is_some());
    assert!(store.user_session(mine).await.unwrap().unwrap().0.ended.is_none());
    assert_eq!(
        withdraw(store, "s1", 10).await,
        Some(false),
        "a report at the time of the link counts"
    );
}

async fn nothing_is_created_or_linked_for_a_disabled_account(store: &Store) {
    let only = made(store, subject("s1", None)).await;
    store
        .set_account_disabled(only.uid, Some(at(1)), &audit_context(1))
        .await
        .unwrap();
    let AppleSignIn::Known(account) = sign_in(store, subject("s1", Some("new@example.com")), 2).await else {
        panic!("the identity should be known");
    };
    assert_eq!(account.disabled_at, Some(at(1)));
    assert_eq!(
        identity(store, only.uid).await.unwrap().email,
        None,
        "a disabled account is not changed"
    );
    for uid in [only.uid, AccountId(fresh_uuid())] {
        let refused = store
            .link_apple(uid, subject("s2", None), &audit_context(3))
            .await
            .unwrap();
        assert_eq!(refused, Err(Refusal::AccountDisabled));
    }
}
