//! `/activity`, and the history on a key's page.

use jiff::SignedDuration;
use tm_auth_store::{AuditAction, AuditContext, AuditEntry};

use crate::support::{HtmlPage, TestBrowser, TestServer};

/// Disables and enables a key, a second apart.
async fn toggle(server: &TestServer, browser: &TestBrowser, path: &str, times: usize) {
    for _ in 0..times {
        for action in ["disable", "enable"] {
            server.advance(1);
            browser.post(&format!("{path}/{action}"), &[]).await;
        }
    }
}

/// Follows the link to older entries.
async fn older(browser: &TestBrowser, page: &HtmlPage) -> HtmlPage {
    let (_, link) = page.text.split_once(r#"rel="next" href=""#).unwrap();
    let (link, _) = link.split_once('"').unwrap();
    browser.get(link.trim_end_matches("#history")).await
}

#[tokio::test]
async fn the_activity_is_described_in_words_and_paged() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let browser = server.browser(&key.account).await;
    let path = format!("/api-keys/{}", key.id());
    toggle(&server, &browser, &path, 30).await;
    let first = browser.get("/activity").await;
    first
        .assert_shows("Enabled an API key")
        .assert_shows("You")
        .assert_shows("127.0.0.1")
        .assert_shows("2027-01-15 08:01:00 UTC")
        .assert_hides("Registered an API key")
        .assert_hides("Newest");
    let second = older(&browser, &first).await;
    second
        .assert_shows("2027-01-15 08:00:10 UTC")
        .assert_hides("2027-01-15 08:00:11 UTC")
        .assert_shows("Registered an API key")
        .assert_shows("with a passkey, in a browser")
        .assert_shows("Newest")
        .assert_hides("Older");
    // A value that is not a time shows the newest entries.
    let newest = browser.get("/activity?before=yesterday").await;
    assert_eq!(
        newest.text.matches("<tr").count(),
        first.text.matches("<tr").count()
    );
    // Another account does not see these entries.
    let stranger = server.browser(&server.account().await).await;
    stranger
        .get("/activity")
        .await
        .assert_hides(&key.id().to_string());
}

#[tokio::test]
async fn a_keys_history_has_only_its_own_entries() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let browser = server.browser(&key.account).await;
    let path = format!("/api-keys/{}", key.id());
    let others: Vec<AuditEntry> = (1..=1500)
        .map(|second| AuditEntry {
            audit_context: AuditContext::service(server.now() + SignedDuration::from_secs(second)),
            action: AuditAction::CodeRefused,
            uid: Some(key.account.uid),
            key_id: None,
            sid: None,
            detail: None,
        })
        .collect();
    server.store.audit(others).await.unwrap();
    let page = browser.get(&path).await;
    page.assert_shows("Registered an API key")
        .assert_hides("A login code was refused")
        .assert_hides("Older");
    toggle(&server, &browser, &path, 10).await;
    let newest = browser.get(&path).await;
    newest
        .assert_shows("Enabled an API key")
        .assert_hides("Registered an API key");
    older(&browser, &newest)
        .await
        .assert_shows("Registered an API key")
        .assert_shows("Newest")
        .assert_hides("Enabled an API key");
}
