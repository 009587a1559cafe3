//! `/sign-in` and `/sign-in/code`.

use super::{ADA, asked, is_signed_in};
use crate::support::{TestServer, rows};

#[tokio::test]
async fn a_code_typed_into_the_browser_that_asked_logs_in_and_redirects() {
    let server = TestServer::start().await;
    let mut browser = server.visitor();
    browser
        .get("/sign-in?next=/security")
        .await
        .assert_shows("name=\"next\" value=\"/security\"");
    let mut browser = asked(&server, "Ada@Example.com").await;
    browser.get("/sign-in/code").await.assert_shows(ADA);
    let code = server.code_mail(ADA).code;
    let typed = code.replace('-', " ");
    let shown = browser
        .submit("/sign-in/code", &[("code", &typed), ("email", ADA)])
        .await;
    assert_eq!(shown.location(), "/security");
    assert!(browser.cookies.contains_key("sid"));
    assert!(!browser.cookies.contains_key("flow"), "the flow is done");
    assert!(is_signed_in(&mut browser).await);
    browser.get("/sign-in").await.assert_shows(ADA);
    assert_eq!(server.store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn f02_f06_a_wrong_used_or_expired_code_is_refused() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    for wrong in ["", "00000000-", "x"] {
        let shown = browser.submit("/sign-in/code", &[("code", wrong)]).await;
        assert_eq!(shown.status, 400);
        shown.assert_shows("wrong, used or expired").assert_shows(ADA);
    }
    server.advance(600);
    assert_eq!(
        browser.submit("/sign-in/code", &[("code", &code)]).await.status,
        400
    );
    // The same browser requests another code and uses it; a second use is refused.
    let again = browser.submit("/sign-in", &[("email", ADA)]).await;
    assert_eq!(again.location(), "/sign-in/code");
    let code = server.code_mail(ADA).code;
    let flow = browser.cookies.get("flow").unwrap().to_owned();
    assert_eq!(
        browser
            .submit("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/api-keys"
    );
    let mut thief = server.visitor();
    thief.cookies.insert("flow".to_owned(), flow.clone());
    assert_eq!(
        thief.submit("/sign-in/code", &[("code", &code)]).await.status,
        400
    );
    assert!(!is_signed_in(&mut thief).await);
}

#[tokio::test]
async fn f08_f12_a_code_works_only_in_the_browser_that_asked() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    // A browser without a flow is refused. One with a flow can use only the codes of that flow.
    let mut stranger = server.visitor();
    let shown = stranger
        .submit("/sign-in/code", &[("code", &code), ("email", ADA)])
        .await;
    assert_eq!(shown.status, 400);
    shown.assert_shows("no login in progress");
    let mut other = asked(&server, "bob@example.com").await;
    assert_eq!(
        other.submit("/sign-in/code", &[("code", &code)]).await.status,
        400
    );
    let api = serde_json::json!({ "email": ADA, "code": code });
    server
        .post("/email/otc/verify", &api)
        .await
        .assert_error(401, "invalid_code");
    assert!(!is_signed_in(&mut stranger).await && !is_signed_in(&mut other).await);
    assert!(server.store.accounts().await.unwrap().is_empty());
    assert_eq!(
        browser
            .submit("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/security"
    );
    // A code that a program requested works in no browser.
    server
        .post("/email/otc", &serde_json::json!({ "email": "eve@example.com" }))
        .await;
    let programs = server.code_mail("eve@example.com").code;
    assert!(server.code_mail("eve@example.com").token.is_none());
    assert_eq!(
        other.submit("/sign-in/code", &[("code", &programs)]).await.status,
        400
    );
}

#[tokio::test]
async fn f09_a_code_works_only_for_the_address_of_its_flow() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    let shown = browser
        .submit("/sign-in/code", &[("code", &code), ("email", "bob@example.com")])
        .await;
    assert_eq!(shown.status, 400);
    assert!(server.store.accounts().await.unwrap().is_empty());
    assert_eq!(
        browser
            .submit("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/security"
    );
    let accounts = server.store.accounts().await.unwrap();
    assert_eq!(accounts[0].email.as_deref(), Some(ADA));
}

#[tokio::test]
async fn f07_asking_again_in_the_same_browser_leaves_the_first_code_valid() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    let first = server.code_mail(ADA).code;
    server.advance(60);
    browser
        .submit("/sign-in", &[("email", ADA), ("next", "/activity")])
        .await;
    assert_ne!(server.code_mail(ADA).code, first);
    assert_eq!(
        browser
            .submit("/sign-in/code", &[("code", &first)])
            .await
            .location(),
        "/activity"
    );
    // The other code belonged to the same login and can no longer be used.
    let unused = rows(&server, "SELECT 1 FROM email_codes WHERE used_at IS NULL");
    assert!(unused.is_empty());
}

#[tokio::test]
async fn f01_f18_the_page_is_the_same_for_known_and_unknown_addresses() {
    let server = TestServer::start().await;
    let mut ada = asked(&server, ADA).await;
    ada.submit("/sign-in/code", &[("code", &server.code_mail(ADA).code)])
        .await;
    server.advance(60);
    let mut pages = Vec::new();
    for email in [ADA, "new@example.com"] {
        let mut browser = asked(&server, email).await;
        let shown = browser.get("/sign-in/code").await;
        pages.push((shown.status, shown.text.replace(email, "")));
        // Requests from other browsers: two more mails, then the page says how long to wait.
        for _ in 0..2 {
            asked(&server, email).await;
        }
        let mut other = server.visitor();
        other.get("/sign-in").await;
        let refused = other.submit("/sign-in", &[("email", email)]).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), "60");
        refused.assert_hides(email);
        let sent = server.inbox(email);
        assert_eq!(sent.iter().filter(|mail| mail.at == server.now()).count(), 3);
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn f17_an_invalid_address_is_reported_beside_the_field() {
    let server = TestServer::start().await;
    let mut browser = server.visitor();
    for bad in [
        "",
        "a",
        "a@x.com\r\nBcc: v@y.com",
        "a@x.com,b@y.com",
        "<script>@x.com",
    ] {
        let shown = browser.submit("/sign-in", &[("email", bad)]).await;
        assert_eq!(shown.status, 400, "{bad:?}");
        shown.assert_shows("aria-invalid").assert_hides("<script>@");
    }
    assert!(!browser.cookies.contains_key("flow"));
    assert!(server.app.mailbox().unwrap().is_empty());
    assert_eq!(browser.get("/sign-in/code").await.location(), "/sign-in");
}

#[tokio::test]
async fn h02_h04_a_new_login_replaces_the_session_and_voids_the_old_cookie() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    browser
        .submit("/sign-in/code", &[("code", &server.code_mail(ADA).code)])
        .await;
    let before = browser.cookies.get("sid").unwrap().to_owned();
    // A second login creates a new session and ends the old one.
    server.advance(60);
    browser.submit("/sign-in", &[("email", ADA)]).await;
    browser
        .submit("/sign-in/code", &[("code", &server.code_mail(ADA).code)])
        .await;
    assert_ne!(browser.cookies.get("sid"), Some(&before));
    let mut old = server.visitor();
    old.cookies.insert("sid".to_owned(), before.clone());
    assert!(!is_signed_in(&mut old).await);
    assert!(is_signed_in(&mut browser).await);
}
