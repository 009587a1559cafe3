//! Renaming and removing passkeys.

use tm_auth_core::user::AuthMethod;

use super::{ADD, SIGN_IN};
use crate::support::authenticator::{Authenticator, base64};
use crate::support::{Answer, TestServer, Visitor};
use tm_auth_store::AuditAction;

async fn remove(visitor: &mut Visitor<'_>, of: &Authenticator, more: &[(&str, &str)]) -> Answer {
    let id = base64(&of.credential_id);
    let fields = [&[("credential_id", id.as_str())], more].concat();
    visitor.submit("/passkeys/remove", &fields).await
}

#[tokio::test]
async fn g20_the_last_login_method_is_not_removed() {
    let server = TestServer::start().await;
    let (mut first, mut second) = (Authenticator::new(), Authenticator::new());
    let (account, mut visitor) = server.signed_up(&mut first).await;
    let answer = remove(&mut visitor, &first, &[]).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.text.contains("last_way_in"), "{answer:?}");
    assert_eq!(server.store.passkeys_of(account.uid).await.unwrap().len(), 1);
    // With a second passkey the first can be removed; then the second is the last.
    assert_eq!(visitor.create(ADD, &mut second, &server.origin).await.status, 201);
    assert_eq!(remove(&mut visitor, &first, &[]).await.status, 303);
    assert_eq!(remove(&mut visitor, &second, &[]).await.status, 409);
    let refused = server
        .visitor()
        .use_passkey(SIGN_IN, &mut first, &server.origin)
        .await;
    refused.assert_error(400, "passkey_refused");
    let answer = server
        .visitor()
        .use_passkey(SIGN_IN, &mut second, &server.origin)
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn g20_a_proved_address_is_another_login_method() {
    let server = TestServer::start().await;
    let mut only = Authenticator::new();
    let (account, mut visitor) = server.with_address(&mut only).await;
    assert_eq!(remove(&mut visitor, &only, &[]).await.status, 303);
    assert_eq!(server.store.passkeys_of(account.uid).await.unwrap(), []);
    // Mail is now the strongest login method.
    let mut by_mail = server.signed_in(&account, AuthMethod::EmailCode).await;
    assert_eq!(by_mail.create(ADD, &mut only, &server.origin).await.status, 201);
}

#[tokio::test]
async fn g21_c12_removing_needs_a_fresh_passkey_notifies_the_owner_and_may_end_sessions() {
    let server = TestServer::start().await;
    let (mut first, mut second) = (Authenticator::new(), Authenticator::new());
    let (account, mut visitor) = server.with_address(&mut first).await;
    assert_eq!(visitor.create(ADD, &mut second, &server.origin).await.status, 201);
    let mut elsewhere = server.visitor();
    assert_eq!(
        elsewhere
            .use_passkey(SIGN_IN, &mut first, &server.origin)
            .await
            .status,
        200
    );
    let mut by_mail = server.signed_in(&account, AuthMethod::EmailCode).await;
    let answer = remove(&mut by_mail, &first, &[]).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    server.advance(301);
    assert_eq!(remove(&mut visitor, &first, &[]).await.status, 403);
    assert_eq!(
        visitor
            .use_passkey(SIGN_IN, &mut second, &server.origin)
            .await
            .status,
        200
    );

    let before = server.mails_to(&account).len();
    let answer = remove(&mut visitor, &first, &[("end_sessions", "yes")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/security"));
    let mails = server.mails_to(&account);
    assert_eq!(
        mails.len(),
        before + 2,
        "the removal and the end of sessions: {mails:?}"
    );
    for subject in ["passkey was removed", "You were logged out"] {
        assert!(
            mails[before..].iter().any(|mail| mail.contains(subject)),
            "{mails:?}"
        );
    }
    assert_eq!(server.audit_count(&account, AuditAction::PasskeyRemoved).await, 1);
    let live = server.store.user_sessions_of(account.uid).await.unwrap();
    let live: Vec<_> = live.iter().map(|session| session.sid).collect();
    assert_eq!(
        live,
        [visitor.sid().unwrap()],
        "only the session that removed the passkey stays"
    );

    // Without the ticked box no session ends.
    assert_eq!(
        elsewhere
            .use_passkey(SIGN_IN, &mut second, &server.origin)
            .await
            .status,
        200
    );
    assert_eq!(remove(&mut visitor, &second, &[]).await.status, 303);
    assert_eq!(server.store.user_sessions_of(account.uid).await.unwrap().len(), 2);
}

#[tokio::test]
async fn g13_g21_only_passkeys_of_the_same_account_can_be_renamed_and_removed() {
    let server = TestServer::start().await;
    let (mut mine, mut others) = (Authenticator::new(), Authenticator::new());
    let (_, mut visitor) = server.with_address(&mut mine).await;
    server.with_address(&mut others).await;
    let rename = async |visitor: &mut Visitor<'_>, of: &Authenticator, name: &str| {
        let id = base64(&of.credential_id);
        let fields = [("credential_id", id.as_str()), ("name", name)];
        visitor.submit("/passkeys/rename", &fields).await.status
    };
    assert_eq!(rename(&mut visitor, &mine, " Work & play ").await, 303);
    assert_eq!(server.passkey(&mine).await.unwrap().name, "Work & play");
    assert_eq!(rename(&mut visitor, &mine, "").await, 400);
    assert_eq!(rename(&mut visitor, &others, "stolen").await, 404);
    assert_eq!(remove(&mut visitor, &others, &[]).await.status, 404);
    assert_eq!(server.passkey(&others).await.unwrap().name, "key ring");
    // A form without the CSRF token, and one without a session.
    let mut forged = visitor.clone();
    let request = forged
        .request(reqwest::Method::POST, "/passkeys/remove")
        .header("origin", &server.origin)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("credential_id={}", base64(&mine.credential_id)));
    forged.send(request).await.assert_error(403, "cross_site_request");
    let answer = remove(&mut server.visitor(), &mine, &[]).await;
    assert!([303, 401].contains(&answer.status), "{answer:?}");
    assert!(server.passkey(&mine).await.is_some());
}
