//! The audit trail: its entries, and that they cannot be changed.

use std::collections::BTreeSet;

use reqwest::Method;
use tm_auth_core::user::AuthMethod;
use tm_auth_store::{AuditAction, AuditEntry};

use crate::support::{Answer, Database, TestServer, eventually, execute};

const ADA: &str = "ada@example.com";

/// The newest entry of this action, which must have an actor, a time, an address and a request id.
async fn entry(server: &TestServer, action: AuditAction, answer: &Answer) -> AuditEntry {
    let trail = server.store.audit_trail(None, 1000).await.unwrap();
    let actions: BTreeSet<&str> = trail.iter().map(|entry| entry.action.as_str()).collect();
    let entry = trail
        .iter()
        .find(|entry| entry.action == action)
        .unwrap_or_else(|| panic!("{action} is not among {actions:?}"));
    assert_eq!(entry.audit_context.at, server.now(), "{entry:?}");
    assert_eq!(entry.audit_context.ip, Some([127, 0, 0, 1].into()), "{entry:?}");
    assert!(!entry.audit_context.actor.is_empty(), "{entry:?}");
    let request_id = entry.audit_context.request_id.as_deref();
    assert_eq!(request_id, Some(answer.header("x-request-id")), "{entry:?}");
    entry.clone()
}

#[tokio::test]
async fn i12_logins_failures_and_changes_have_a_row_with_actor_time_address_and_request_id() {
    let server = TestServer::start().await;
    let mut browser = server.visitor();
    let asked = browser.submit("/sign-in", &[("email", ADA)]).await;
    entry(&server, AuditAction::CodeSent, &asked).await;
    let wrong = browser.submit("/sign-in/code", &[("code", "00000000-")]).await;
    assert_eq!(wrong.status, 400);
    entry(&server, AuditAction::CodeRefused, &wrong).await;
    let code = server.code_mail(ADA).code;
    let right = browser.submit("/sign-in/code", &[("code", &code)]).await;
    let sign_in = entry(&server, AuditAction::SignIn, &right).await;
    let account = server.store.account_by_email(ADA).await.unwrap().unwrap();
    assert_eq!(sign_in.uid, Some(account.uid));
    assert_eq!(sign_in.audit_context.actor, account.uid.to_string());
    assert_eq!(sign_in.sid, browser.sid());
    let detail = sign_in.detail.unwrap();
    assert!(detail.contains("method=email_code"), "{detail}");

    server.advance(1);
    let key = server.key_of(&account).await;
    let trail = server.store.audit_trail(Some(account.uid), 1).await.unwrap();
    assert_eq!(
        (trail[0].action.clone(), trail[0].key_id),
        (AuditAction::KeyRegistered, Some(key.id()))
    );
    let path = format!("/v1/auth/api-keys/{}", key.id());
    let revoked = browser.call(Method::DELETE, &path, None).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(
        entry(&server, AuditAction::KeyRevoked, &revoked).await.key_id,
        Some(key.id())
    );

    let asked = browser
        .submit("/security/email", &[("email", "ada@new.example")])
        .await;
    assert_eq!(asked.status, 303);
    let code = server.code_mail("ada@new.example").code;
    let changed = browser.submit("/security/email/code", &[("code", &code)]).await;
    entry(&server, AuditAction::EmailChanged, &changed).await;

    server.advance(1);
    let out = browser.submit("/sign-out", &[]).await;
    let ended = entry(&server, AuditAction::SessionEnded, &out).await;
    assert_eq!(ended.uid, Some(account.uid));
}

#[tokio::test]
async fn i12_a_reused_refresh_token_has_a_row() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let first = server.mint(&key).await;
    let second = server.refresh(&first.refresh_token).await.refresh_token();
    server.refresh(&second).await.refresh_token();
    server.advance(91);
    let reused = server.refresh(&first.refresh_token).await;
    reused.assert_error(401, "refresh_reused");
    let row = entry(&server, AuditAction::RefreshReused, &reused).await;
    assert_eq!((row.uid, row.key_id), (Some(key.account.uid), Some(key.id())));
}

#[tokio::test]
async fn i12_a_reached_limit_has_one_row_a_minute() {
    let server = TestServer::start_with(|config| config.limits.mints_per_key_per_minute = 1).await;
    let key = server.key().await;
    server.mint(&key).await;
    server.advance(1);
    let mut first = None;
    for _ in 0..5 {
        let limited = server.post("/api-key/token", &key.challenge(server.now())).await;
        limited.assert_error(429, "rate_limited");
        first.get_or_insert(limited.header("x-request-id").to_owned());
    }
    let at = server.now();
    server.advance(60);
    let row = eventually(async || {
        let trail = server.store.audit_trail(None, 100).await.unwrap();
        trail
            .into_iter()
            .find(|entry| entry.action == AuditAction::LimitReached)
    })
    .await;
    assert_eq!((row.audit_context.at, row.audit_context.request_id), (at, first));
    assert_eq!(row.audit_context.ip, Some([127, 0, 0, 1].into()));
    assert_eq!(
        row.detail.as_deref(),
        Some("code=rate_limited route=/v1/auth/api-key/token count=5")
    );
}

#[tokio::test]
async fn i12_rows_of_the_audit_trail_cannot_be_changed() {
    let server = TestServer::start().await;
    server
        .signed_in(&server.account().await, AuthMethod::Passkey)
        .await;
    let evasive = match crate::DATABASE {
        Database::Sqlite => "UPDATE OR IGNORE audit SET at = 0",
        Database::Postgres => "INSERT INTO audit SELECT * FROM audit ON CONFLICT (id) DO UPDATE SET at = 0",
    };
    for change in [
        "UPDATE audit SET actor = 'mallory'",
        "UPDATE audit SET detail = NULL WHERE id = 1",
        evasive,
    ] {
        let refused = execute(&server, change);
        assert!(refused.is_err(), "{change}: {refused:?}");
    }
}

#[tokio::test]
async fn i12_a_login_to_a_disabled_account_has_a_row() {
    let server = TestServer::start().await;
    let mut browser = server.visitor();
    browser.submit("/sign-in", &[("email", ADA)]).await;
    let code = server.code_mail(ADA).code;
    browser.submit("/sign-in/code", &[("code", &code)]).await;
    let account = server.store.account_by_email(ADA).await.unwrap().unwrap();
    let audit_context = tm_auth_store::AuditContext::operator(server.now());
    let disabled = server
        .store
        .set_account_disabled(account.uid, Some(server.now()), &audit_context);
    assert!(disabled.await.unwrap());
    server.advance(61);
    let mut browser = server.visitor();
    browser.submit("/sign-in", &[("email", ADA)]).await;
    let code = server.code_mail(ADA).code;
    let refused = browser.submit("/sign-in/code", &[("code", &code)]).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let row = entry(&server, AuditAction::SignInRefused, &refused).await;
    assert_eq!(
        row.detail.as_deref(),
        Some("method=email_code code=account_disabled")
    );
}
