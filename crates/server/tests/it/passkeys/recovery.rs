//! Recovery of a lost passkey, and what it gives a thief of the mailbox.

use tm_auth_core::recovery::Recovery;
use tm_auth_core::user::AuthMethod;

use super::{ADD, SIGN_IN, STEP_UP};
use crate::support::TestServer;
use crate::support::authenticator::Authenticator;
use tm_auth_store::AuditAction;

const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn c12_after_a_lost_passkey_the_owner_waits_a_day_and_adds_another() {
    let server = TestServer::start().await;
    let (mut lost, mut new) = (Authenticator::new(), Authenticator::new());
    let (account, _) = server.with_address(&mut lost).await;
    let key = server.key_of(&account).await;
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    visitor.try_begin(ADD).await.assert_error(403, "reauth_required");
    let before = server.mails_to(&account).len();
    let answer = visitor.submit("/recovery/start", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/security"));
    let started = Recovery::start(account.uid, server.now());
    assert_eq!(server.store.recovery(account.uid).await.unwrap(), Some(started));
    let mails = server.mails_to(&account);
    assert_eq!(mails.len(), before + 1);
    assert!(mails[before].to_lowercase().contains("recover"), "{mails:?}");
    // Starting it again changes nothing and sends no mail.
    server.advance(3600);
    let mut visitor = server.signed_in(&account, AuthMethod::MagicLink).await;
    assert_eq!(visitor.submit("/recovery/start", &[]).await.status, 303);
    assert_eq!(server.store.recovery(account.uid).await.unwrap(), Some(started));
    assert_eq!(server.mails_to(&account).len(), before + 1);

    // One second before the end of the day: still refused. API keys stay active.
    server.advance(DAY - 3600 - 1);
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    visitor.try_begin(ADD).await.assert_error(403, "reauth_required");
    server.mint(&key).await;
    server.advance(1);
    let mut by_apple = server.signed_in(&account, AuthMethod::Apple).await;
    by_apple.try_begin(ADD).await.assert_error(403, "reauth_required");
    assert_eq!(visitor.create(ADD, &mut new, &server.origin).await.status, 201);
    assert_eq!(server.store.recovery(account.uid).await.unwrap(), None);
    let mails = server.mails_to(&account);
    assert_eq!(mails.len(), before + 3, "the passkey and the recovery: {mails:?}");
    assert_eq!(
        server.audit_count(&account, AuditAction::RecoveryCompleted).await,
        1
    );
    // The recovery adds one passkey. Everything else needs that passkey.
    visitor.try_begin(ADD).await.assert_error(403, "reauth_required");
    let id = crate::support::authenticator::base64(&lost.credential_id);
    let answer = visitor
        .submit("/passkeys/remove", &[("credential_id", &id)])
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        visitor
            .use_passkey(STEP_UP, &mut new, &server.origin)
            .await
            .status,
        200
    );
    let answer = visitor
        .submit("/passkeys/remove", &[("credential_id", &id)])
        .await;
    assert_eq!(answer.status, 303);
    server.mint(&key).await;
}

#[tokio::test]
async fn c12_any_use_of_a_passkey_cancels_the_recovery_and_says_so() {
    let server = TestServer::start().await;
    let (mut first, mut second) = (Authenticator::new(), Authenticator::new());
    let (account, mut owner) = server.with_address(&mut first).await;
    assert_eq!(owner.create(ADD, &mut second, &server.origin).await.status, 201);
    for (waited, path, by) in [(0, SIGN_IN, &mut first), (DAY + 1, STEP_UP, &mut second)] {
        let mut thief = server.signed_in(&account, AuthMethod::EmailCode).await;
        assert_eq!(thief.submit("/recovery/start", &[]).await.status, 303);
        server.advance(waited);
        let mut owner = server.signed_in(&account, AuthMethod::EmailCode).await;
        let before = server.mails_to(&account).len();
        let answer = owner.use_passkey(path, by, &server.origin).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["recovery_cancelled"], true);
        assert_eq!(server.store.recovery(account.uid).await.unwrap(), None);
        assert_eq!(server.mails_to(&account).len(), before + 1);
        let mut thief = server.signed_in(&account, AuthMethod::EmailCode).await;
        thief.try_begin(ADD).await.assert_error(403, "reauth_required");
    }
    let answer = owner.use_passkey(SIGN_IN, &mut first, &server.origin).await;
    assert_eq!(answer.body["recovery_cancelled"], false);
    assert_eq!(
        server.audit_count(&account, AuditAction::RecoveryCancelled).await,
        2
    );
}

#[tokio::test]
async fn c12_a_passkey_sign_in_between_options_and_answer_cancels_the_recovery() {
    let server = TestServer::start().await;
    let (mut owners, mut thiefs) = (Authenticator::new(), Authenticator::new());
    let (account, _) = server.with_address(&mut owners).await;
    let mut thief = server.signed_in(&account, AuthMethod::EmailCode).await;
    assert_eq!(thief.submit("/recovery/start", &[]).await.status, 303);
    server.advance(DAY);
    let mut thief = server.signed_in(&account, AuthMethod::EmailCode).await;
    let options = thief.begin(ADD).await;
    let answer = thiefs.create(&options, &server.origin).answer();
    let cancelled = server
        .visitor()
        .use_passkey(SIGN_IN, &mut owners, &server.origin)
        .await;
    assert_eq!(cancelled.body["recovery_cancelled"], true);
    thief
        .finish(ADD, &answer)
        .await
        .assert_error(403, "reauth_required");
    assert_eq!(server.store.passkeys_of(account.uid).await.unwrap().len(), 1);
}

#[tokio::test]
async fn c12_only_a_mail_sign_in_starts_a_recovery_and_a_session_cancels_it() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let (account, _) = server.with_address(&mut authenticator).await;
    for method in [AuthMethod::Apple, AuthMethod::Passkey] {
        let mut visitor = server.signed_in(&account, method).await;
        assert_eq!(visitor.submit("/recovery/start", &[]).await.status, 403);
    }
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    server.advance(301);
    assert_eq!(visitor.submit("/recovery/start", &[]).await.status, 403);
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    assert_eq!(visitor.submit("/recovery/start", &[]).await.status, 303);
    let before = server.mails_to(&account).len();
    for _ in 0..2 {
        assert_eq!(visitor.submit("/recovery/cancel", &[]).await.status, 303);
    }
    assert_eq!(server.store.recovery(account.uid).await.unwrap(), None);
    assert_eq!(server.mails_to(&account).len(), before + 1, "one mail");

    // An account without a passkey needs no recovery.
    let bare = server.account().await;
    let mut visitor = server.signed_in(&bare, AuthMethod::EmailCode).await;
    assert_eq!(visitor.submit("/recovery/start", &[]).await.status, 409);
    assert_eq!(server.store.recovery(bare.uid).await.unwrap(), None);
}

#[tokio::test]
async fn c12_an_unused_recovery_expires() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let (account, _) = server.with_address(&mut authenticator).await;
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    assert_eq!(visitor.submit("/recovery/start", &[]).await.status, 303);
    server.advance(8 * DAY);
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    visitor.try_begin(ADD).await.assert_error(403, "reauth_required");
    assert_eq!(visitor.submit("/recovery/start", &[]).await.status, 303);
    let restarted = server.store.recovery(account.uid).await.unwrap().unwrap();
    assert_eq!(restarted.started_at, server.now());
}
