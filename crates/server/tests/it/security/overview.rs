//! `GET /security`.

use tm_auth_core::user::AuthMethod;
use tm_auth_store::passkey::{AddedBy, NewPasskey};

use super::{ADA, ada};
use crate::support::TestServer;

/// Stores a passkey to show on the page. It cannot log in: its credential is empty.
async fn passkey(server: &TestServer, uid: tm_auth_proto::AccountId, id: u8, name: &str) {
    let new = NewPasskey {
        credential_id: vec![id; 16],
        name: name.to_owned(),
        credential: "{}".to_owned(),
        counter: 0,
        backup_eligible: id == 1,
        backed_up: id == 1,
        created_at: server.now(),
    };
    let audit_context = tm_auth_store::AuditContext::service(server.now());
    let added = server
        .store
        .add_passkey(uid, new, AddedBy::Proof, 20, &audit_context);
    added.await.unwrap().unwrap();
}

#[tokio::test]
async fn g20_the_last_login_method_has_no_remove_button() {
    let server = TestServer::start().await;
    let account = server.account().await;
    passkey(&server, account.uid, 1, "Phone").await;
    let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
    browser
        .get("/security")
        .await
        .assert_shows("Phone")
        .assert_shows("your only login method")
        .assert_hides("/passkeys/remove");
    passkey(&server, account.uid, 2, "Key on a chain").await;
    browser
        .get("/security")
        .await
        .assert_shows("synced between your devices")
        .assert_shows("bound to one device")
        .assert_hides("your only login method")
        .assert_shows("/passkeys/remove");
}

#[tokio::test]
async fn g21_c12_an_account_with_a_passkey_requires_it_for_changes() {
    let server = TestServer::start().await;
    let (mut browser, account) = ada(&server, ADA).await;
    passkey(&server, account.uid, 1, "Phone").await;
    passkey(&server, account.uid, 2, "Laptop").await;
    let page = browser.get("/security").await;
    page.assert_shows("confirm with your passkey")
        .assert_shows("/recovery/start");
    for change in [
        "/passkeys/remove",
        "action=\"/security/email\"",
        "data-passkey=\"add\"",
    ] {
        page.assert_hides(change);
    }
    // Ending sessions requires only a fresh login by any method.
    page.assert_shows("/security/sessions/end-all");
    let refused = browser
        .submit("/security/email", &[("email", "new@example.com")])
        .await;
    assert_eq!(refused.status, 403);
    let mut by_passkey = server.signed_in(&account, AuthMethod::Passkey).await;
    let page = by_passkey.get("/security").await;
    for change in [
        "/passkeys/remove",
        "name=\"end_sessions\"",
        "action=\"/security/email\"",
        "data-passkey=\"add\"",
    ] {
        page.assert_shows(change);
    }
}

#[tokio::test]
async fn a_logged_out_browser_is_redirected_to_the_login_and_back() {
    let server = TestServer::start().await;
    for path in ["/security", "/security/delete"] {
        let page = server.visitor().get(path).await;
        assert_eq!(page.location(), format!("/sign-in?next={path}"));
    }
}

#[tokio::test]
async fn h06_passkey_names_and_query_parameters_are_escaped() {
    let server = TestServer::start().await;
    let account = server.account().await;
    passkey(&server, account.uid, 1, "<img src=x onerror=alert(1)>").await;
    let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
    let page = browser.get("/security?done=%3Cscript%3E").await;
    assert_eq!(page.status, 200);
    page.assert_hides("<img src=x").assert_hides("<script>");
}
