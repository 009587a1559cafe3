//! Ending one session, all other sessions, and all sessions.

use tm_auth_core::user::{AuthMethod, SessionKind};

use super::{ADA, ada, audited, told};
use crate::support::TestServer;
use tm_auth_store::AuditAction;

#[tokio::test]
async fn e16_the_page_ends_one_session() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let mut other = server.signed_in(&account, AuthMethod::EmailCode).await;
    let (program, token) = server.signed_in_program(&account, SessionKind::Native).await;
    let page = browser.get("/security").await;
    for sid in [other.sid().unwrap(), program.sid] {
        page.assert_shows(&format!("value=\"{sid}\""));
    }
    let sid = program.sid.to_string();
    let ended = browser.submit("/security/sessions/end", &[("sid", &sid)]).await;
    assert_eq!(ended.location(), "/security?done=session");
    server.refresh(&token).await.assert_error(401, "session_ended");
    browser
        .get(ended.location())
        .await
        .assert_shows("The session was ended")
        .assert_hides(&sid);
    assert_eq!(other.get("/v1/auth/sessions").await.status, 200);
    let again = browser.submit("/security/sessions/end", &[("sid", &sid)]).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn e16_the_page_ends_all_others_or_all_sessions_and_the_owner_is_notified() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let mut other = server.signed_in(&account, AuthMethod::EmailCode).await;
    let others = browser.submit("/security/sessions/end-others", &[]).await;
    assert_eq!(others.location(), "/security?done=sessions");
    other
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    assert_eq!(told(&server, ADA).len(), 1);
    let list = browser.get("/v1/auth/sessions").await;
    assert_eq!(list.body["sessions"].as_array().unwrap().len(), 1);

    let mut kept = browser.clone();
    let all = browser.submit("/security/sessions/end-all", &[]).await;
    assert_eq!(all.location(), "/sign-in");
    assert!(all.header("clear-site-data").contains("storage"));
    kept.get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    assert_eq!(audited(&server, &account, AuditAction::SessionEnded).await, 2);
    let left = server.store.user_sessions_of(account.uid).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn e16_c12_ending_sessions_requires_a_fresh_login() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    let other = server.signed_in(&account, AuthMethod::EmailCode).await;
    server.advance(301);
    let sid = other.sid().unwrap().to_string();
    let page = browser.get("/security").await;
    page.assert_shows("confirm that it is you")
        .assert_hides("/security/sessions/end");
    let sid = [("sid", sid.as_str())];
    for (path, fields) in [("end", &sid[..]), ("end-others", &[]), ("end-all", &[])] {
        let path = format!("/security/sessions/{path}");
        let refused = browser.submit(&path, fields).await;
        assert_eq!(refused.status, 403);
        refused
            .assert_shows("reauth_required")
            .assert_shows("/sign-in?next=/security");
    }
    let left = server.store.user_sessions_of(account.uid).await.unwrap();
    assert_eq!(left.len(), 2);
}
