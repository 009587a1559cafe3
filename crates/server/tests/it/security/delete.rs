//! Deleting the account.

use reqwest::Method;
use serde_json::json;
use tm_auth_core::user::{AuthMethod, SessionKind};

use super::{ADA, ada, audited, sign_in, told};
use crate::support::{TestServer, jwt};
use tm_auth_store::AuditAction;

#[tokio::test]
async fn e10_f22_deleting_an_account_ends_all_its_access_and_never_reuses_its_id() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let key = server.key_of(&account).await;
    let tokens = server.mint(&key).await;
    let mut other = server.signed_in(&account, AuthMethod::Passkey).await;
    let (_, program) = server.signed_in_program(&account, SessionKind::Native).await;
    let management = server.management_token(&account).await;
    // Another browser requests a code for the address before the deletion.
    let mut elsewhere = server.visitor();
    server.advance(61);
    elsewhere.submit("/sign-in", &[("email", ADA)]).await;
    let open_code = server.code_mail(ADA).code;

    let page = browser.get("/security/delete").await;
    page.assert_shows("Your API key is revoked").assert_shows(ADA);
    let wrong = browser
        .submit("/security/delete", &[("name", "ada@example.org")])
        .await;
    assert_eq!(wrong.status, 400);
    wrong.assert_shows("Nothing was deleted");
    assert_eq!(browser.get("/v1/auth/sessions").await.status, 200);
    let gone = browser.submit("/security/delete", &[("name", ADA)]).await;
    assert_eq!(gone.location(), "/sign-in");
    assert!(!browser.cookies.contains_key("sid"));

    let mint = server.post("/api-key/token", &key.challenge(server.now())).await;
    assert_eq!(mint.status, 401, "{mint:?}");
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 401);
    assert_eq!(server.refresh(&program).await.status, 401);
    for token in [&management, &tokens.access_token] {
        assert_eq!(server.get_with("/sessions", token).await.status, 401);
    }
    other
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    let list = jwt::payload(&server.get("/revocations").await.text);
    assert_eq!(
        list["uids"][account.uid.to_string()],
        json!(server.revoked_before())
    );
    let used = elsewhere.submit("/sign-in/code", &[("code", &open_code)]).await;
    assert_eq!(used.status, 400, "the account's codes are void");
    let last = told(&server, ADA).pop().unwrap();
    assert!(last.contains("was deleted"), "{last}");
    assert_eq!(audited(&server, &account, AuditAction::AccountDeleted).await, 1);

    // After 30 days the address can sign up for a new account.
    server.advance(30 * 24 * 3600);
    let mut later = server.visitor();
    sign_in(&server, &mut later, ADA).await;
    let new = server.store.account_by_email(ADA).await.unwrap().unwrap();
    assert_ne!(new.uid, account.uid);
    let keys = later.call(Method::GET, "/v1/auth/api-keys", None).await;
    assert_eq!(keys.body["keys"], json!([]));
}

#[tokio::test]
async fn c12_deleting_an_account_requires_a_fresh_login() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    server.advance(301);
    browser
        .get("/security/delete")
        .await
        .assert_shows("/sign-in?next=/security")
        .assert_hides("<button class=\"button danger\">");
    let refused = browser.submit("/security/delete", &[("name", ADA)]).await;
    assert_eq!(refused.status, 403);
    let row = server.store.account(account.uid).await.unwrap().unwrap();
    assert_eq!(row.disabled_at, None);
}
