//! `/passkeys/add`: which sessions may add a passkey, and the notice to the owner.

use reqwest::Method;
use serde_json::json;
use tm_auth_core::user::AuthMethod;

use super::{ADD, SIGN_IN, STEP_UP};
use crate::support::TestServer;
use crate::support::authenticator::Authenticator;
use tm_auth_store::AuditAction;

#[tokio::test]
async fn g13_a_passkey_is_added_to_the_account_of_the_session_and_to_no_other() {
    let server = TestServer::start().await;
    let mut new = Authenticator::new();
    let (account, mut visitor) = server.with_address(&mut Authenticator::new()).await;
    let (other, others) = server.with_address(&mut Authenticator::new()).await;

    // Without a session, both requests are refused.
    let mut stranger = server.visitor();
    stranger.try_begin(ADD).await.assert_error(401, "missing_session");
    let options = visitor.begin(ADD).await;
    let answer = new.create(&options, &server.origin).answer();
    stranger.cookies.clone_from(&visitor.cookies);
    stranger.cookies.remove("sid");
    stranger
        .finish(ADD, &answer)
        .await
        .assert_error(401, "missing_session");
    // Another account's session in the same browser; the other account's browser; a body that names
    // an account.
    let mut both = visitor.clone();
    both.cookies
        .insert("sid".to_owned(), others.cookies["sid"].clone());
    both.finish(ADD, &answer)
        .await
        .assert_error(403, "reauth_required");
    let options = visitor.begin(ADD).await;
    let mut answer = new.create(&options, &server.origin).answer();
    others
        .clone()
        .finish(ADD, &answer)
        .await
        .assert_error(400, "ceremony_over");
    answer["uid"] = json!(other.uid);
    answer["user"] = json!({ "id": other.uid });
    assert_eq!(visitor.finish(ADD, &answer).await.status, 201);
    assert_eq!(server.passkey(&new).await.unwrap().uid, account.uid);
    assert_eq!(server.store.passkeys_of(other.uid).await.unwrap().len(), 1);
}

#[tokio::test]
async fn g13_adding_and_step_up_need_the_csrf_token() {
    let server = TestServer::start().await;
    let (_, mut visitor) = server.with_address(&mut Authenticator::new()).await;
    for path in [ADD, STEP_UP] {
        let request = visitor
            .request(Method::POST, &format!("{path}/options"))
            .header("origin", &server.origin)
            .json(&json!({}));
        visitor
            .send(request)
            .await
            .assert_error(403, "cross_site_request");
    }
}

#[tokio::test]
async fn g21_c12_adding_needs_a_fresh_proof_and_notifies_the_owner() {
    let server = TestServer::start().await;
    let (mut first, mut second) = (Authenticator::new(), Authenticator::new());
    let (account, mut visitor) = server.with_address(&mut first).await;
    server.advance(301);
    visitor.try_begin(ADD).await.assert_error(403, "reauth_required");
    assert_eq!(
        visitor
            .use_passkey(STEP_UP, &mut first, &server.origin)
            .await
            .status,
        200
    );
    // The proof is fresh at the request for options, and no longer at the answer.
    server.advance(200);
    let options = visitor.begin(ADD).await;
    let answer = second.create(&options, &server.origin).answer();
    server.advance(101);
    visitor
        .finish(ADD, &answer)
        .await
        .assert_error(403, "reauth_required");

    assert_eq!(
        visitor
            .use_passkey(SIGN_IN, &mut first, &server.origin)
            .await
            .status,
        200
    );
    let before = server.mails_to(&account).len();
    assert_eq!(visitor.create(ADD, &mut second, &server.origin).await.status, 201);
    let kept = server.passkey(&second).await.unwrap();
    assert_eq!((kept.uid, kept.name.as_str()), (account.uid, "key ring"));
    let mails = server.mails_to(&account);
    assert_eq!(mails.len(), before + 1);
    assert!(mails[before].contains("passkey was added"), "{mails:?}");
    assert_eq!(server.audit_count(&account, AuditAction::PasskeyAdded).await, 2);
}

#[tokio::test]
async fn c12_a_login_weaker_than_a_passkey_cannot_add_another() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let (account, mut visitor) = server.with_address(&mut authenticator).await;
    let options = visitor.begin(ADD).await;
    for method in [AuthMethod::EmailCode, AuthMethod::MagicLink, AuthMethod::Apple] {
        let mut weaker = server.signed_in(&account, method).await;
        weaker.try_begin(ADD).await.assert_error(403, "reauth_required");
        // Not with the options of a stronger session, either.
        let mut weaker_now = visitor.clone();
        weaker_now.cookies.extend(weaker.cookies);
        let answer = Authenticator::new().create(&options, &server.origin).answer();
        let answer = weaker_now.finish(ADD, &answer).await;
        assert!([400, 403].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(server.store.passkeys_of(account.uid).await.unwrap().len(), 1);
    // The same rule holds for API keys.
    let mut weaker = server.signed_in(&account, AuthMethod::EmailCode).await;
    let body = json!({ "label": "bot", "public_key": "-", "proof": { "timestamp": 1, "signature": "" } });
    let answer = weaker.call(Method::POST, "/v1/auth/api-keys", Some(&body));
    answer.await.assert_error(403, "reauth_required");
    let mut operators = server.signed_in(&account, AuthMethod::Operator).await;
    assert_eq!(
        operators
            .create(ADD, &mut Authenticator::new(), &server.origin)
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn g21_an_account_has_at_most_twenty_passkeys() {
    let server = TestServer::start().await;
    let (account, mut visitor) = server.with_address(&mut Authenticator::new()).await;
    for _ in 1..20 {
        assert_eq!(
            visitor
                .create(ADD, &mut Authenticator::new(), &server.origin)
                .await
                .status,
            201
        );
    }
    let answer = visitor
        .create(ADD, &mut Authenticator::new(), &server.origin)
        .await;
    answer.assert_error(409, "passkey_limit_reached");
    assert_eq!(server.store.passkeys_of(account.uid).await.unwrap().len(), 20);
}
