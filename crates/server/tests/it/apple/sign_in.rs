//! Sign-up and login with the real provider, and how the service finds the account.

use serde_json::json;
use tm_auth_core::user::AuthMethod;
use tm_auth_store::AuditContext;

use super::forger::Forged;
use super::provider::{AtApple, fields};
use super::{account_with, assert_page, come_back, leave, signed_in, trail};
use crate::support::{Stored, TestServer, rows};

#[tokio::test]
async fn g22_g24_a_user_signs_up_with_apple_and_signs_in_again() {
    let apple = AtApple::start().await;
    let server = &apple.server;
    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    assert!(
        departure
            .url
            .starts_with(&format!("{}/auth/authorize?", apple.issuer))
    );
    for (name, value) in [
        ("response_type", "code"),
        ("response_mode", "form_post"),
        ("scope", "name email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(departure.get(name), value);
    }
    let posted = apple.visit(&departure, "ada").await;
    let answer = come_back(&mut visitor, &fields(&posted)).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/security"),
        "{answer:?}"
    );
    let account = signed_in(server, &visitor).await.expect("the user is logged in");
    assert!(
        !visitor.cookies.keys().any(|name| name.ends_with("apple")),
        "the flow is finished"
    );
    // Mail goes to the address that Apple verified. The account has not proved it here.
    assert_eq!(account.email, None);
    assert_eq!(
        server.store.contact_email(account.uid).await.unwrap().as_deref(),
        Some("ada@example.com")
    );
    assert_eq!(display_name(server), "Ada Lovelace");
    assert_eq!(
        trail(server, &account).await,
        ["account_created", "apple_linked", "sign_in"]
    );

    // A day later, in another browser: Apple posts no name, and the account is the same.
    apple.advance(86_400).await;
    let mut again = server.visitor();
    let departure = leave(&mut again).await;
    let posted = apple.visit(&departure, "ada").await;
    assert!(posted.iter().all(|(name, _)| name != "user"), "{posted:?}");
    assert_eq!(come_back(&mut again, &fields(&posted)).await.status, 303);
    assert_eq!(
        signed_in(server, &again).await.map(|account| account.uid),
        Some(account.uid)
    );
    assert_eq!(server.store.accounts().await.unwrap().len(), 1);
    assert_eq!(display_name(server), "Ada Lovelace");
}

fn display_name(server: &TestServer) -> String {
    match &rows(server, "SELECT display_name FROM accounts")[..] {
        [row] => match &row[0] {
            Stored::Text(name) => name.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn g24_the_relays_address_is_stored_as_it_is() {
    let apple = AtApple::start().await;
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    let posted = apple.visit(&departure, "eve").await;
    assert_eq!(come_back(&mut visitor, &fields(&posted)).await.status, 303);
    let account = signed_in(&apple.server, &visitor).await.unwrap();
    let identity = apple
        .server
        .store
        .apple_identity_of(account.uid)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        identity.email.as_deref(),
        Some("dpdcnf87nu@privaterelay.appleid.com")
    );
    assert!(identity.private_relay);
    assert_eq!(identity.iss, apple.issuer);
    assert_eq!(
        apple
            .server
            .store
            .contact_email(account.uid)
            .await
            .unwrap()
            .as_deref(),
        Some("dpdcnf87nu@privaterelay.appleid.com")
    );
}

#[tokio::test]
async fn g26_a_user_who_cancels_at_apple_is_told_and_not_signed_in() {
    let apple = AtApple::start().await;
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    let posted = apple.visit(&departure, "cancel").await;
    let answer = come_back(&mut visitor, &fields(&posted)).await;
    answer.assert_invalid("apple_sign_in_cancelled", "error");
    assert!(visitor.sid().is_none());
    assert!(apple.server.store.accounts().await.unwrap().is_empty());
    // The flow has ended.
    let answer = come_back(&mut visitor, &fields(&posted)).await;
    answer.assert_invalid("apple_sign_in_unknown", "state");
}

#[tokio::test]
async fn g23_an_address_in_a_token_does_not_open_an_account() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let victim = account_with(server, "victim@example.com").await;
    let mut thief = server.visitor();
    for verified in ["true", "false"] {
        let departure = leave(&mut thief).await;
        let mut claims = apple.claims(departure.get("nonce"));
        claims["email"] = "Victim@Example.com".into();
        claims["email_verified"] = verified.into();
        claims["sub"] = "999.thief.999".into();
        apple.gives(&Forged::signed(&claims));
        let answer = come_back(&mut thief, &[("code", "c"), ("state", departure.get("state"))]).await;
        if verified == "true" {
            // The page says what to do, and no account is created.
            answer.assert_error(409, "address_has_account");
            assert!(thief.sid().is_none());
            assert_eq!(
                server.store.accounts().await.unwrap(),
                std::slice::from_ref(&victim)
            );
        } else {
            // An unverified address does not count: the thief gets a new account.
            assert_eq!(answer.status, 303, "{answer:?}");
            let own = signed_in(server, &thief).await.unwrap();
            assert_ne!(own.uid, victim.uid);
            assert_eq!(server.store.contact_email(own.uid).await.unwrap(), None);
        }
    }
    assert_eq!(server.store.apple_identity_of(victim.uid).await.unwrap(), None);
    assert!(
        server
            .store
            .user_sessions_of(victim.uid)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn g25_an_attacker_who_requested_a_code_for_the_address_gets_no_access() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let address = "ada@example.com";
    let asked = server.post("/email/otc", &json!({ "email": address })).await;
    assert_eq!(asked.status, 200, "{asked:?}");
    assert!(
        server.store.accounts().await.unwrap().is_empty(),
        "the address is not verified yet"
    );
    let code = mailed_code(server, address);

    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    apple.gives(&Forged::signed(&apple.claims(departure.get("nonce"))));
    let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let account = signed_in(server, &visitor).await.unwrap();

    // The mailed code is refused too.
    for code in ["00000000", &code] {
        let tried = server
            .post("/email/otc/verify", &json!({ "email": address, "code": code }))
            .await;
        tried.assert_error(401, "invalid_code");
    }
    assert_eq!(
        server.store.accounts().await.unwrap(),
        std::slice::from_ref(&account)
    );
    let ways = server.store.login_methods(account.uid).await.unwrap();
    assert_eq!((ways.passkeys, ways.email, ways.apple), (0, None, 1));
    let sessions = server.store.user_sessions_of(account.uid).await.unwrap();
    let sids: Vec<_> = sessions.iter().map(|session| session.sid).collect();
    assert_eq!(sids, [visitor.sid().unwrap()]);
}

/// The code in the newest mail to this address, in the form `1234-5678`.
fn mailed_code(server: &TestServer, address: &str) -> String {
    let mails = server.app.mailbox().unwrap();
    let mail = mails.iter().find(|mail| mail.to == address).unwrap();
    let is_code = |word: &&str| {
        let digits = word
            .split('-')
            .all(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_digit()));
        digits && word.len() == 9
    };
    let code = mail.text.split_whitespace().find(is_code);
    code.unwrap_or_else(|| panic!("{}", mail.text)).to_owned()
}

#[tokio::test]
async fn h02_signing_in_with_apple_ends_the_session_that_the_browser_had() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let account = server.account().await;
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    let former = visitor.sid().unwrap();
    let departure = leave(&mut visitor).await;
    apple.gives(&Forged::signed(&apple.claims(departure.get("nonce"))));
    // The browser posts from Apple's site, so it does not send the session cookie.
    assert_eq!(
        come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))])
            .await
            .status,
        303
    );
    let (session, _) = server.store.user_session(former).await.unwrap().unwrap();
    assert!(session.ended.is_some(), "{session:?}");
    assert_ne!(visitor.sid(), Some(former));
    assert_ne!(signed_in(server, &visitor).await.unwrap().uid, account.uid);
}

#[tokio::test]
async fn c10_a_disabled_account_is_not_signed_in() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let mut visitor = server.visitor();
    for disabled in [false, true] {
        let departure = leave(&mut visitor).await;
        apple.gives(&Forged::signed(&apple.claims(departure.get("nonce"))));
        let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
        if disabled {
            answer.assert_error(401, "account_disabled");
        } else {
            assert_eq!(answer.status, 303);
            let uid = signed_in(server, &visitor).await.unwrap().uid;
            let audit_context = AuditContext::operator(server.now());
            server
                .store
                .set_account_disabled(uid, Some(server.now()), &audit_context)
                .await
                .unwrap();
            visitor.cookies.clear();
        }
    }
    assert!(visitor.sid().is_none());
}

#[tokio::test]
async fn g22_without_the_configuration_section_start_and_callback_answer_404() {
    let server = TestServer::start().await;
    let mut visitor = server.visitor();
    let answer = visitor.submit("/apple/start", &[]).await;
    assert_page(&answer, 404, "not_found");
    let answer = come_back(&mut visitor, &[("code", "c"), ("state", "s")]).await;
    answer.assert_error(404, "not_found");
}
