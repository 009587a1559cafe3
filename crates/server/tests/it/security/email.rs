//! Changing the e-mail address.

use super::{ADA, ada, audited, sign_in, told};
use crate::support::{TestServer, Visitor};
use tm_auth_store::AuditAction;

const NEW: &str = "ada@new.example";

/// The new address is named, and mailed to.
async fn asked(server: &TestServer, browser: &mut Visitor<'_>, new: &str) -> String {
    let answer = browser.submit("/security/email", &[("email", new)]).await;
    assert_eq!(answer.location(), "/security/email/code");
    server.code_mail(new).code
}

#[tokio::test]
async fn f21_a_changed_address_is_proved_told_to_the_old_one_and_kills_its_codes() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    // A sign-in by the old address is under way elsewhere.
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
    assert_eq!(told(&server, ADA).len(), 1, "the old address is told");
    assert_eq!(audited(&server, &account, AuditAction::EmailChanged).await, 1);

    let dead = elsewhere
        .submit("/sign-in/code", &[("code", &old_mail.code)])
        .await;
    assert!([400, 401].contains(&dead.status), "{dead:?}");
    let token = old_mail.token.unwrap();
    let dead = elsewhere.submit("/sign-in/link", &[("token", &token)]).await;
    assert!([400, 401].contains(&dead.status), "{dead:?}");
    // The new one signs in to the same account.
    server.advance(61);
    let mut later = server.visitor();
    sign_in(&server, &mut later, NEW).await;
    later.get("/security").await.assert_shows(NEW);
    assert_eq!(server.store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn f21_the_link_changes_it_too_and_only_where_it_was_asked_for() {
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
    // Nor does it log in.
    let refused = browser.submit("/sign-in/link", &[("token", &token)]).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    browser.get("/security/email/link").await.assert_shows(NEW);
    let unchanged = server.store.account(account.uid).await.unwrap().unwrap();
    assert_eq!(unchanged.email.as_deref(), Some(ADA), "looking changes nothing");
    let changed = browser.submit("/security/email/link", &[("token", &token)]).await;
    assert_eq!(changed.location(), "/security?done=email");
}

#[tokio::test]
async fn f21_c12_a_change_takes_a_fresh_and_strong_proof() {
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
    // The step-up leads back, and then it is done.
    sign_in(&server, &mut browser, ADA).await;
    browser
        .get("/security")
        .await
        .assert_shows("action=\"/security/email\"");
}

#[tokio::test]
async fn f21_sessions_elsewhere_end_with_the_change_where_asked() {
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
async fn f22_an_address_that_was_given_up_leads_to_nobody_for_thirty_days_and_then_to_another() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let program = server
        .signed_in_program(&account, tm_auth_core::user::SessionKind::Native)
        .await;
    let code = asked(&server, &mut browser, NEW).await;
    browser.submit("/security/email/code", &[("code", &code)]).await;

    // A third party who reads the old mailbox.
    for _ in 0..2 {
        server.advance(61);
        let mut third = server.visitor();
        third.submit("/sign-in", &[("email", ADA)]).await;
        let code = server.code_mail(ADA).code;
        let refused = third.submit("/sign-in/code", &[("code", &code)]).await;
        assert!((400..500).contains(&refused.status), "{refused:?}");
        assert!(!third.cookies.contains_key("sid"));
    }
    // Another account cannot take it by a change either.
    let (mut mallory, _) = ada(&server, "mallory@example.com").await;
    let code = asked(&server, &mut mallory, ADA).await;
    let refused = mallory.submit("/security/email/code", &[("code", &code)]).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    // The old sessions go on, as the account they were.
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
async fn f21_an_address_with_an_owner_is_told_only_to_who_reads_its_mail() {
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
