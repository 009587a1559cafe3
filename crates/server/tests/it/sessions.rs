//! `GET|DELETE /v1/auth/sessions`, `DELETE /v1/auth/sessions/{sid}`: the sessions of an account.

use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_core::user::{AuthMethod, SessionKind};
use tm_auth_core::{Account, user::UserSession};
use tm_auth_proto::SessionId;
use tm_auth_store::faults::Fault;

use crate::support::{Answer, TestServer};

async fn listed(server: &TestServer, account: &Account) -> Vec<Value> {
    let answer = server.manage(account, Method::GET, "/sessions", None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["sessions"].as_array().unwrap().clone()
}

async fn ids(server: &TestServer, account: &Account) -> Vec<String> {
    let listed = listed(server, account).await;
    let sid = |session: &Value| session["sid"].as_str().unwrap().to_owned();
    listed.iter().map(sid).collect()
}

async fn end(server: &TestServer, account: &Account, sid: SessionId) -> Answer {
    let path = format!("/sessions/{sid}");
    server.manage(account, Method::DELETE, &path, None).await
}

/// Refreshes, and returns the new access token and refresh token.
async fn refreshed(server: &TestServer, refresh_token: &str) -> (String, String) {
    let answer = server.refresh(refresh_token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.access_token(), answer.refresh_token())
}

#[tokio::test]
async fn e16_the_owner_lists_their_sessions() {
    let server = TestServer::start().await;
    let account = server.account().await;
    server.key_of(&account).await;
    let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
    server.advance(60);
    let (native, _) = server.signed_in_program(&account, SessionKind::Native).await;
    server
        .signed_in(&server.account().await, AuthMethod::Passkey)
        .await;

    let answer = browser.get("/v1/auth/sessions").await;
    let sessions = &answer.body["sessions"];
    assert_eq!(
        sessions[0],
        json!({
            "sid": native.sid, "kind": "native", "method": "email_code", "device": "Firefox on Linux",
            "ip": "127.0.0.1", "opened_at": server.now(), "last_used_at": server.now(),
            "expires_at": server.now() + jiff::SignedDuration::from_hours(14 * 24), "current": false,
        })
    );
    assert_eq!(sessions[1]["sid"], json!(browser.sid()));
    assert_eq!(
        (&sessions[1]["kind"], &sessions[1]["method"]),
        (&json!("browser"), &json!("passkey"))
    );
    // The request itself counts as a use of the session.
    assert_eq!(
        (&sessions[1]["current"], &sessions[1]["last_used_at"]),
        (&json!(true), &json!(server.now()))
    );
    assert_eq!(
        sessions.as_array().unwrap().len(),
        2,
        "the account's own sessions, without those of keys: {answer:?}"
    );

    // Expired sessions are not listed.
    server.advance(12 * 3600);
    assert_eq!(ids(&server, &account).await, [native.sid.to_string()]);
}

#[tokio::test]
async fn e16_e10_ending_a_session_takes_effect_at_once_and_spares_the_others() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let (lost, lost_token) = server.signed_in_program(&account, SessionKind::Native).await;
    let (_, kept_token) = server.signed_in_program(&account, SessionKind::Native).await;
    let (_, lost_token) = refreshed(&server, &lost_token).await;

    let ended = end(&server, &account, lost.sid).await;
    assert_eq!((ended.status, &ended.body), (200, &json!({ "ended": 1 })));
    server
        .refresh(&lost_token)
        .await
        .assert_error(401, "session_ended");
    assert!(revoked(&server, &lost).await);
    let (_, kept_token) = refreshed(&server, &kept_token).await;
    end(&server, &account, lost.sid)
        .await
        .assert_error(404, "session_not_found");
    refreshed(&server, &kept_token).await;
}

/// Whether the session is on the revocation list.
async fn revoked(server: &TestServer, session: &UserSession) -> bool {
    let list = server.get("/revocations").await;
    let claims = crate::support::jwt::payload(&list.text);
    let sids = claims["sids"].as_array().unwrap();
    sids.contains(&json!(session.sid))
}

#[tokio::test]
async fn e16_e10_ending_a_session_revokes_its_management_token() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let (session, token) = server.signed_in_program(&account, SessionKind::Management).await;
    let (access, _) = refreshed(&server, &token).await;
    assert_eq!(server.get_with("/sessions", &access).await.status, 200);
    end(&server, &account, session.sid).await;
    server
        .get_with("/sessions", &access)
        .await
        .assert_error(401, "invalid_token");
}

#[tokio::test]
async fn e16_ending_all_other_sessions_keeps_the_current_one() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let key = server.key_of(&account).await;
    let key_session = server.mint(&key).await;
    let stranger = server.account().await;
    let mut bystander = server.signed_in(&stranger, AuthMethod::Passkey).await;
    let mut this = server.signed_in(&account, AuthMethod::MagicLink).await;
    let mut other = server.signed_in(&account, AuthMethod::Passkey).await;
    let (_, program) = server.signed_in_program(&account, SessionKind::Native).await;

    let ended = this.call(Method::DELETE, "/v1/auth/sessions", None).await;
    assert_eq!((ended.status, &ended.body), (200, &json!({ "ended": 2 })));
    other
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    server.refresh(&program).await.assert_error(401, "session_ended");
    let left = this.get("/v1/auth/sessions").await;
    assert_eq!(left.body["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(left.body["sessions"][0]["current"], true);
    assert_eq!(bystander.get("/v1/auth/sessions").await.status, 200);
    // Sessions of keys are not affected.
    refreshed(&server, &key_session.refresh_token).await;
    // No other session is left.
    let again = this.call(Method::DELETE, "/v1/auth/sessions", None).await;
    assert_eq!(again.body, json!({ "ended": 0 }));
}

#[tokio::test]
async fn e16_c12_ending_other_sessions_requires_a_fresh_login_but_logging_out_does_not() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let mut other = server.signed_in(&account, AuthMethod::EmailCode).await;
    let mut this = server.signed_in(&account, AuthMethod::EmailCode).await;
    server.advance(301);
    let path = |sid: Option<SessionId>| format!("/v1/auth/sessions/{}", sid.unwrap());
    let stale = this.call(Method::DELETE, &path(other.sid()), None).await;
    stale.assert_error(403, "reauth_required");
    let stale = this.call(Method::DELETE, "/v1/auth/sessions", None).await;
    stale.assert_error(403, "reauth_required");
    assert_eq!(other.get("/v1/auth/sessions").await.status, 200);
    let left = this.call(Method::DELETE, &path(this.sid()), None).await;
    assert_eq!(left.status, 200, "{left:?}");
    this.get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
}

#[tokio::test]
async fn e16_a_session_of_another_account_cannot_be_ended() {
    let server = TestServer::start().await;
    let (account, stranger) = (server.account().await, server.account().await);
    let mut victim = server.signed_in(&account, AuthMethod::Passkey).await;
    let refused = end(&server, &stranger, victim.sid().unwrap()).await;
    refused.assert_error(404, "session_not_found");
    for path in [
        "x",
        "00000000-0000-0000-0000-000000000000",
        "%ff",
        "..%2fapi-keys",
    ] {
        let path = format!("/sessions/{path}");
        let answer = server.manage(&account, Method::DELETE, &path, None).await;
        answer.assert_error(404, "session_not_found");
    }
    assert_eq!(victim.get("/v1/auth/sessions").await.status, 200);
    let key = server.key_of(&account).await;
    let platform = server.mint(&key).await.access_token;
    let answer = server.get_with("/sessions", &platform).await;
    answer.assert_error(403, "management_token_required");
}

#[tokio::test]
async fn e10_a_disabled_account_cannot_use_its_sessions() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
    let (_, program) = server.signed_in_program(&account, SessionKind::Native).await;
    let (now, audit_context) = (server.now(), tm_auth_store::AuditContext::operator(server.now()));
    server
        .store
        .set_account_disabled(account.uid, Some(now), &audit_context)
        .await
        .unwrap();
    browser
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    server
        .refresh(&program)
        .await
        .assert_error(401, "account_disabled");
}

#[tokio::test]
async fn e16_a_database_outage_is_a_503_and_ends_no_session() {
    let server = TestServer::start().await;
    let faults = server.store.faults();
    let account = server.account().await;
    let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
    faults.set(Fault::Fail);
    for (method, path) in [
        (Method::GET, "/v1/auth/sessions"),
        (Method::DELETE, "/v1/auth/sessions"),
    ] {
        let answer = browser.call(method, path, None).await;
        answer.assert_error(503, "unavailable");
    }
    faults.set(Fault::None);
    assert_eq!(browser.get("/v1/auth/sessions").await.status, 200);
}
