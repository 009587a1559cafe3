//! Changing the e-mail address.

use tm_auth_store::AuditAction;

use super::{ADA, ada, audited, sign_in, told};
use crate::support::{TestServer, Visitor};

const NEW: &str = "ada@new.example";

/// Requests a change to the address `new`; returns the code mailed to it.
async fn asked(server: &TestServer, browser: &mut Visitor<'_>, new: &str) -> String {
    let answer = browser.submit("/security/email", &[("email", new)]).await;
    assert_eq!(answer.location(), "/security/email/code");
    server.code_mail(new).code
}

#[tokio::test]
async fn f21_a_new_address_is_verified_and_the_old_one_is_notified_and_loses_its_codes() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    // A login with the old address is in progress in another browser.
    server.advance(61);
    let mut elsewhere = server.visitor();
    elsewhere.submit("/sign-in", &[("email", ADA)]).await;
    let old_mail = server.code_mail(ADA);

    let code = asked(&server, &mut browser, NEW).await;
    browser.get("/security/email/code").await.assert_shows(NEW);
    browser.get("/security").await.assert_shows(ADA).assert_hides(NEW);
    let wrong = browser.submit("/security/email/code", &[("code", "1234")]).await;
    assert_eq!(wrong.status, 400);
    let changed = browser.submit("/security/email/code", &[("code", &code)]).await;
    assert_eq!(changed.location(), "/security?done=email");
    browser
        .get("/security?done=email")
        .await
        .assert_shows(NEW)
        .assert_hides(ADA);
    let now = server.store.account(account.uid).await.unwrap().unwrap();
    assert_eq!(now.email.as_deref(), Some(NEW));
    assert_eq!(told(&server, ADA).len(), 1, "the old address is notified");
    assert_eq!(audited(&server, &account, AuditAction::EmailChanged).await, 1);

    let dead = elsewhere
        .submit("/sign-in/code", &[("code", &old_mail.code)])
        .await;
    assert!([400, 401].contains(&dead.status), "{dead:?}");
    let token = old_mail.token.unwrap();
    let dead = elsewhere.submit("/sign-in/link", &[("token", &token)]).await;
    assert!([400, 401].contains(&dead.status), "{dead:?}");
    // The new address logs in to the same account.
    server.advance(61);
    let mut later = server.visitor();
    sign_in(&server, &mut later, NEW).await;
    later.get("/security").await.assert_shows(NEW);
    assert_eq!(server.store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn f21_the_link_changes_the_address_only_in_the_browser_that_asked() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    asked(&server, &mut browser, NEW).await;
    let mail = server.code_mail(NEW);
    let token = mail.token.unwrap();
    assert!(mail.mail.text.contains("/security/email/link#token="));
    let mut stranger = server.visitor();
    stranger.get("/security/email/link").await.assert_hides(NEW);
    let (mut mallory, _) = ada(&server, "mallory@example.com").await;
    let refused = mallory.submit("/security/email/link", &[("token", &token)]).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    // The token does not work as a login link.
    let refused = browser.submit("/sign-in/link", &[("token", &token)]).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    browser.get("/security/email/link").await.assert_shows(NEW);
    let unchanged = server.store.account(account.uid).await.unwrap().unwrap();
    assert_eq!(
        unchanged.email.as_deref(),
        Some(ADA),
        "opening the link changes nothing"
    );
    let changed = browser.submit("/security/email/link", &[("token", &token)]).await;
    assert_eq!(changed.location(), "/security?done=email");
}

#[tokio::test]
async fn f21_c12_an_address_change_requires_a_fresh_login() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let code = asked(&server, &mut browser, NEW).await;
    server.advance(301);
    browser
        .get("/security")
        .await
        .assert_shows("/sign-in?next=/security")
        .assert_hides("action=\"/security/email\"");
    for (path, fields) in [
        ("/security/email", ("email", NEW)),
        ("/security/email/code", ("code", code.as_str())),
    ] {
        let refused = browser.submit(path, &[fields]).await;
        assert_eq!(refused.status, 403);
        refused.assert_shows("reauth_required");
    }
    let row = server.store.account(account.uid).await.unwrap().unwrap();
    assert_eq!(row.email.as_deref(), Some(ADA));
    // After a new login the page offers the change again.
    sign_in(&server, &mut browser, ADA).await;
    browser
        .get("/security")
        .await
        .assert_shows("action=\"/security/email\"");
}

#[tokio::test]
async fn f21_an_address_change_ends_other_sessions_on_request() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let mut other = server
        .signed_in(&account, tm_auth_core::user::AuthMethod::EmailCode)
        .await;
    let code = asked(&server, &mut browser, NEW).await;
    browser
        .get("/security/email/code")
        .await
        .assert_shows("name=\"end_sessions\"");
    browser
        .submit(
            "/security/email/code",
            &[("code", &code), ("end_sessions", "yes")],
        )
        .await;
    other
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    assert_eq!(browser.get("/v1/auth/sessions").await.status, 200);
}

#[tokio::test]
async fn f22_a_released_address_is_unusable_for_thirty_days_and_then_gets_a_new_account() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let program = server
        .signed_in_program(&account, tm_auth_core::user::SessionKind::Native)
        .await;
    let code = asked(&server, &mut browser, NEW).await;
    browser.submit("/security/email/code", &[("code", &code)]).await;

    // A third party reads the old mailbox and tries to log in.
    for _ in 0..2 {
        server.advance(61);
        let mut third = server.visitor();
        third.submit("/sign-in", &[("email", ADA)]).await;
        let code = server.code_mail(ADA).code;
        let refused = third.submit("/sign-in/code", &[("code", &code)]).await;
        assert!((400..500).contains(&refused.status), "{refused:?}");
        assert!(!third.cookies.contains_key("sid"));
    }
    // Another account cannot change its address to the released one either.
    let (mut mallory, _) = ada(&server, "mallory@example.com").await;
    let code = asked(&server, &mut mallory, ADA).await;
    let refused = mallory.submit("/security/email/code", &[("code", &code)]).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    // Existing sessions stay valid for the same account.
    let refreshed = server.refresh(&program.1).await;
    let claims = crate::support::jwt::payload(&refreshed.access_token());
    assert_eq!(claims["uid"], serde_json::json!(account.uid));
    assert_eq!(claims["sub"], NEW);

    server.advance(30 * 24 * 3600);
    let (mut third, new) = ada(&server, ADA).await;
    assert_ne!(new.uid, account.uid);
    third.get("/security").await.assert_shows(ADA).assert_hides(NEW);
    let old = server.store.account_by_email(NEW).await.unwrap().unwrap();
    assert_eq!(old.uid, account.uid);
}

#[tokio::test]
async fn f21_only_a_reader_of_its_mail_learns_that_an_address_is_taken() {
    let server = TestServer::start().await;
    let (_, bob) = ada(&server, "bob@example.com").await;
    let (mut browser, _) = ada(&server, ADA).await;
    server.advance(61);
    let taken = browser
        .submit("/security/email", &[("email", "bob@example.com")])
        .await;
    let free = browser.submit("/security/email", &[("email", NEW)]).await;
    assert_eq!(taken.location(), free.location());
    browser
        .submit("/security/email", &[("email", "bob@example.com")])
        .await;
    let code = server.code_mail("bob@example.com").code;
    let refused = browser.submit("/security/email/code", &[("code", &code)]).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    let row = server
        .store
        .account_by_email("bob@example.com")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.uid, bob.uid);
}
