//! Accounts that a verified address logs in to.

use tm_auth_core::Refusal;
use tm_auth_core::email_code::Purpose;

use super::super::given::{at, audit_context, audited};
use super::{ADA, ask, asked, consume, in_browser, link, new_code, sign_in, wrong};
use crate::email_code::{CodeAttempt, NewCode};
use crate::identity::COOLDOWN;
use crate::{AuditAction, AuditEntry, EmailChange, Store};

super::table!("email_codes":
    f01_g25_a_request_creates_no_account_and_a_verified_address_does,
    f22_a_released_address_is_in_cooldown_and_then_free,
    c10_a_disabled_account_does_not_sign_in,
);

async fn f01_g25_a_request_creates_no_account_and_a_verified_address_does(store: &Store) {
    asked(store, 0).await;
    wrong(store, 5, "owner", 1).await;
    assert_eq!(store.accounts().await.expect("the database answers"), []);
    // The entry belongs to no account. It is written anyway, so that the time taken reveals
    // nothing.
    assert_eq!(
        (
            audited(store, AuditAction::CodeSent).await,
            audited(store, AuditAction::CodeRefused).await
        ),
        (1, 5)
    );

    let made = sign_in(store, ADA, "owner", 60).await.expect("an account");
    assert_eq!((made.email.as_deref(), made.created_at), (Some(ADA), at(60)));
    let again = sign_in(store, ADA, "owner", 120).await.expect("an account");
    assert_eq!(again, made);
    assert_eq!(
        store.accounts().await.expect("the database answers"),
        std::slice::from_ref(&made)
    );
    assert_eq!(audited(store, AuditAction::AccountCreated).await, 1);
    asked(store, 180).await;
    wrong(store, 1, "owner", 181).await;
    let trail = store
        .audit_trail(Some(made.uid), 10)
        .await
        .expect("the database answers");
    let actions: Vec<AuditAction> = trail
        .iter()
        .map(|entry: &AuditEntry| entry.action.clone())
        .collect();
    assert_eq!(
        actions,
        [
            AuditAction::CodeRefused,
            AuditAction::CodeSent,
            AuditAction::CodeSent,
            AuditAction::AccountCreated
        ]
    );
}

async fn f22_a_released_address_is_in_cooldown_and_then_free(store: &Store) {
    let old = sign_in(store, ADA, "owner", 0).await.expect("an account");
    let purpose = Purpose::SetEmail(old.uid);
    let new = NewCode {
        purpose,
        ..new_code("ada@example.org", "owner", Some(link(1)), 60)
    };
    assert!(ask(store, new).await.is_some());
    let attempt = CodeAttempt {
        purpose,
        ..in_browser(1, "12345678", 60)
    };
    let proved = consume(store, attempt).await.expect("the right code");
    let changed = store.set_email(proved, &audit_context(60)).await;
    let expected = EmailChange::Changed(Some(ADA.to_owned()));
    assert_eq!(changed.expect("the database answers"), expected);
    let rests = 60 + COOLDOWN.as_secs();
    for seconds in [120, rests - 1] {
        let refused = sign_in(store, ADA, "owner", seconds).await;
        assert_eq!(refused, Err(Refusal::AddressInCooldown));
    }
    let new = sign_in(store, ADA, "owner", rests + 60)
        .await
        .expect("an account");
    assert_ne!(new.uid, old.uid);
    let old_again = sign_in(store, "ada@example.org", "owner", rests + 60)
        .await
        .expect("an account");
    assert_eq!(old_again.uid, old.uid);
}

async fn c10_a_disabled_account_does_not_sign_in(store: &Store) {
    let ada = sign_in(store, ADA, "owner", 0).await.expect("an account");
    let disabled = store
        .set_account_disabled(ada.uid, Some(at(1)), &audit_context(1))
        .await;
    assert!(disabled.expect("the database answers"));
    // A request gets the usual answer. Only the login is refused.
    assert_eq!(
        sign_in(store, ADA, "owner", 60).await,
        Err(Refusal::AccountDisabled)
    );
}
