//! Notices to owners about changes of their keys and sessions.

use reqwest::Method;
use serde_json::json;

use super::account;
use crate::support::{TestKey, TestServer};
use tm_auth_core::user::{AuthMethod, SessionKind};
use tm_auth_store::AuditAction;

const OWNER: &str = "owner@example.com";

#[tokio::test]
async fn c10_f20_the_owner_is_told_when_a_key_is_created_changed_and_revoked() {
    let server = TestServer::start().await;
    let owner = account(&server, OWNER).await;
    let key = TestKey::unregistered(&owner);
    let mut body = key.registration(server.issuer(), server.now());
    body["label"] = json!("<b>grid & bot</b>");
    let answer = server.manage(&owner, Method::POST, "/api-keys", Some(body)).await;
    let path = format!("/api-keys/{}", answer.body["key_id"].as_str().unwrap());
    let made = server.inbox(OWNER);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].subject, "An API key was created (True Markets UAT)");
    let text = &made[0].text;
    for part in [
        "\u{201c}\u{2068}<b>grid & bot</b>\u{2069}\u{201d} was created",
        "When: 15 January 2027, 08:00 UTC",
        "From: this machine",
        &format!("{}/api-keys", server.origin),
        "If this was not you",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let html = &made[0].html;
    assert!(
        html.contains("<bdi>&#60;b&#62;grid &#38; bot&#60;/b&#62;</bdi>") && !html.contains("<b>"),
        "{html}"
    );
    // The mail has neither the address nor the user id.
    assert!(!text.contains(OWNER) && !html.contains(OWNER) && !text.contains(&owner.uid.to_string()));

    let change = json!({ "label": "slow bot" });
    server.manage(&owner, Method::PATCH, &path, Some(change)).await;
    assert_eq!(
        server.inbox(OWNER)[0].subject,
        "An API key was renamed (True Markets UAT)"
    );
    server.manage(&owner, Method::DELETE, &path, None).await;
    let mails = server.inbox(OWNER);
    assert_eq!(mails[0].subject, "An API key was revoked (True Markets UAT)");
    assert!(
        mails[0].text.contains("\u{201c}\u{2068}slow bot\u{2069}\u{201d}"),
        "{}",
        mails[0].text
    );
    assert_eq!(mails.len(), 3);

    // Requests that changed nothing send no mail: refusals, and a second revocation.
    server.advance(1);
    server.manage(&owner, Method::DELETE, &path, None).await;
    server
        .manage(&owner, Method::PATCH, &path, Some(json!({ "label": "x" })))
        .await
        .assert_error(409, "key_not_live");
    let stranger = account(&server, "stranger@example.com").await;
    server
        .manage(&stranger, Method::DELETE, &path, None)
        .await
        .assert_error(404, "key_not_found");
    assert_eq!(server.app.mailbox().unwrap().len(), 3);
}

/// What the newest mail says, without the name of the service.
fn newest(server: &TestServer) -> (String, String) {
    let mail = server.inbox(OWNER).into_iter().next().unwrap();
    let subject = mail.subject.replace(" (True Markets UAT)", "");
    (subject, mail.text.replace(['\u{2068}', '\u{2069}'], ""))
}

#[tokio::test]
async fn r27_r28_mails_and_activity_say_what_a_change_did() {
    let server = TestServer::start().await;
    let owner = account(&server, OWNER).await;
    let key = TestKey::unregistered(&owner);
    let mut body = key.registration(server.issuer(), server.now());
    body["label"] = json!("bot");
    body["scopes"] = json!(["read", "trade"]);
    body["allowed_ips"] = json!(["192.0.2.0/24"]);
    body["expires_at"] = json!("2027-06-01T00:00:00Z");
    let answer = server.manage(&owner, Method::POST, "/api-keys", Some(body)).await;
    let path = format!("/api-keys/{}", answer.body["key_id"].as_str().unwrap());
    let (_, text) = newest(&server);
    let settings = "It may read and trade from 192.0.2.0/24, and expires on 1 June 2027, 00:00 UTC.";
    assert!(text.contains(settings), "{text}");
    let mut expected = Vec::new();
    for (change, subject, words) in [
        (
            json!({ "disabled": true }),
            "An API key was disabled",
            "state from enabled to disabled",
        ),
        (
            json!({ "disabled": false }),
            "An API key was enabled",
            "state from disabled to enabled",
        ),
        (
            json!({ "label": "slow bot" }),
            "An API key was renamed",
            "name from \u{201c}bot\u{201d} to \u{201c}slow bot\u{201d}",
        ),
        (
            json!({ "scopes": ["read", "trade", "transfer"] }),
            "An API key got more permissions",
            "permissions from read and trade to read, trade and transfer",
        ),
        (
            json!({ "scopes": ["read"], "allowed_ips": [] }),
            "An API key was changed",
            "permissions from read, trade and transfer to read; allowed IP addresses from 192.0.2.0/24 to any",
        ),
        (
            json!({ "expires_at": null }),
            "An API key was changed",
            "expiry from 1 June 2027, 00:00 UTC to never",
        ),
    ] {
        // So that each change is mailed alone.
        server.advance(200);
        let answer = server.manage(&owner, Method::PATCH, &path, Some(change)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let (said, text) = newest(&server);
        assert_eq!(said, subject);
        assert!(text.contains(&format!("was changed: {words}.")), "{text}");
        expected.push(words);
    }
    let mut browser = server.signed_in(&owner, AuthMethod::Passkey).await;
    for page in ["/activity", &path] {
        let shown = browser.get(page).await.text.replace(['\u{2068}', '\u{2069}'], "");
        for words in &expected {
            assert!(shown.contains(words), "{page}: {words} is missing in {shown}");
        }
    }
}

#[tokio::test]
async fn c10_an_owner_without_a_proved_address_is_told_at_the_contact_address() {
    let server = TestServer::start().await;
    let owner = server.account().await;
    server.key_of(&owner).await;
    assert!(server.app.mailbox().unwrap().is_empty());
    let contact = Some("relay@example.com".to_owned());
    server.store.set_contact_email(owner.uid, contact).await.unwrap();
    server.key_of(&owner).await;
    assert_eq!(server.inbox("relay@example.com").len(), 1);
}

#[tokio::test]
async fn e02_the_owner_is_told_once_of_a_reused_refresh_token() {
    let server = TestServer::start().await;
    let key = server.key_of(&account(&server, OWNER).await).await;
    let stolen = server.mint(&key).await.refresh_token;
    let mut newest = stolen.clone();
    for _ in 0..2 {
        server.advance(60);
        newest = server.refresh(&newest).await.refresh_token();
    }
    server.advance(91);
    let before = server.app.mailbox().unwrap().len();
    for token in [&stolen, &stolen, &newest] {
        server.refresh(token).await.assert_error(401, "refresh_reused");
    }
    let mails = server.app.mailbox().unwrap();
    assert_eq!(mails.len(), before + 1);
    assert_eq!(
        (mails[0].to.as_str(), mails[0].subject.as_str()),
        (OWNER, "A session was ended (True Markets UAT)")
    );
    assert!(
        mails[0].text.contains("as happens when a token is copied"),
        "{}",
        mails[0].text
    );
    // The mail has no token.
    assert!(!mails[0].text.contains(&stolen) && !mails[0].html.contains(&newest));
}

/// The revocation list forgets an entry after a day; the row of the session does not.
#[tokio::test]
async fn q08_a_session_that_ended_by_reuse_is_reported_once_however_late_its_tokens_come() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    let owner = account(&server, OWNER).await;
    let key = server.key_of(&owner).await;
    let (_, of_user) = server.signed_in_program(&owner, SessionKind::Native).await;
    let of_key = server.mint(&key).await.refresh_token;
    for stolen in [of_key, of_user] {
        let mut newest = stolen.clone();
        for _ in 0..2 {
            server.advance(91);
            newest = server.refresh(&newest).await.refresh_token();
        }
        server.advance(91);
        let reports = async || {
            let trail = server.store.audit_trail(None, 1000).await.unwrap();
            let audited = trail
                .iter()
                .filter(|entry| entry.action == AuditAction::RefreshReused);
            let mails = [&server, &node].map(|node| node.app.mailbox().unwrap());
            let told = mails.iter().flatten();
            (
                audited.count(),
                told.filter(|mail| mail.subject.starts_with("A session was ended"))
                    .count(),
            )
        };
        let (audited, told) = reports().await;
        server.refresh(&stolen).await.assert_error(401, "refresh_reused");
        assert_eq!(reports().await, (audited + 1, told + 1));

        server.advance(26 * 3600);
        // The end of another session makes the service read the list again.
        let other = server.mint(&key).await.refresh_token;
        let body = json!({ "refresh_token": other });
        assert_eq!(server.post("/token/revoke", &body).await.status, 200);
        for _ in 0..10 {
            for (node, token) in [(&server, &stolen), (&node, &newest)] {
                node.refresh(token).await.assert_error(401, "refresh_reused");
            }
        }
        assert_eq!(reports().await, (audited + 1, told + 1));
    }
}

#[tokio::test]
async fn q08_the_owner_is_told_even_if_the_revocation_list_cannot_be_read() {
    let server = TestServer::start().await;
    let key = server.key_of(&account(&server, OWNER).await).await;
    let stolen = server.mint(&key).await.refresh_token;
    let mut newest = stolen.clone();
    for _ in 0..2 {
        server.advance(91);
        newest = server.refresh(&newest).await.refresh_token();
    }
    server.advance(91);
    let before = server.app.mailbox().unwrap().len();
    server.store.faults().lose_next_answer("revocations");
    server.refresh(&stolen).await.assert_error(503, "unavailable");
    server.refresh(&newest).await.assert_error(401, "refresh_reused");
    assert_eq!(server.app.mailbox().unwrap().len(), before + 1);
}
