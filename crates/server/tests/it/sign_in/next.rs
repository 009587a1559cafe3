//! The page to which a login redirects.

use super::ADA;
use crate::support::TestServer;

#[tokio::test]
async fn f14_a_login_redirects_only_to_pages_of_this_service() {
    let server = TestServer::start().await;
    for (number, next) in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/security\r\nLocation: https://evil.example",
        "%0d%0aLocation:https://evil.example",
        "@evil.example",
        "/\t/evil.example",
        "//evil.example/?/security",
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("user{number}@example.com");
        let mut browser = server.visitor();
        let query: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let shown = browser.get(&format!("/sign-in?next={query}")).await;
        shown
            .assert_shows("name=\"next\" value=\"/api-keys\"")
            .assert_hides("evil");
        browser
            .submit("/sign-in", &[("email", &email), ("next", next)])
            .await;
        browser.get("/sign-in/code").await.assert_hides("evil");
        let mail = server.code_mail(&email);
        // Logs in by code and by link in turn.
        let shown = if number % 2 == 0 {
            browser.submit("/sign-in/code", &[("code", &mail.code)]).await
        } else {
            browser
                .submit("/sign-in/link", &[("token", &mail.token.unwrap())])
                .await
        };
        assert_eq!(shown.location(), "/api-keys", "{next:?}");
    }
    // A forged `flow` cookie does not redirect to another site either.
    let mut browser = server.visitor();
    browser
        .submit("/sign-in", &[("email", ADA), ("next", "/security")])
        .await;
    let (secret, _) = browser.cookies.get("flow").unwrap().split_once('.').unwrap();
    // base64url of //evil.example
    let forged = format!("{secret}.Ly9ldmlsLmV4YW1wbGU");
    browser.cookies.insert("flow".to_owned(), forged.clone());
    let shown = browser
        .submit("/sign-in/code", &[("code", &server.code_mail(ADA).code)])
        .await;
    assert_eq!(shown.location(), "/api-keys");
}
