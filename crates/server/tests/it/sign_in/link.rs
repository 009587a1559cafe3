//! `/sign-in/link`: opening the link does not log in. Its button does, in the browser that asked.

use super::{ADA, asked, is_signed_in};
use crate::support::{Answer, TestServer, Visitor, rows};

async fn head(visitor: &mut Visitor<'_>, path: &str) -> Answer {
    let request = visitor.request(reqwest::Method::HEAD, path);
    visitor.send(request).await
}

#[tokio::test]
async fn f11_f15_opening_a_link_does_not_use_it_up() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    let mail = server.code_mail(ADA);
    let token = mail.token.unwrap();
    // The token and the code are in the fragment, which browsers do not send.
    let link = mail
        .mail
        .text
        .split_whitespace()
        .find(|word| word.contains("#token="))
        .unwrap()
        .to_owned();
    let (path, _) = link
        .strip_prefix(&server.origin)
        .unwrap()
        .split_once('#')
        .unwrap();
    assert_eq!(path, "/sign-in/link");
    // Scanners, with and without the cookie, and also with the token in the query.
    let mut scanner = server.visitor();
    for _ in 0..3 {
        for path in ["/sign-in/link".to_owned(), format!("/sign-in/link?token={token}")] {
            for visitor in [&mut scanner, &mut browser] {
                let shown = visitor.get(&path).await;
                assert_eq!(shown.status, 200);
                shown.assert_hides(&token);
                assert_eq!(shown.header("referrer-policy"), "no-referrer");
                assert_eq!(shown.header("cache-control"), "no-store");
                assert_eq!(head(visitor, &path).await.status, 200);
            }
        }
    }
    assert!(rows(&server, "SELECT 1 FROM email_codes WHERE used_at IS NOT NULL").is_empty());
    // A scanner that runs scripts and presses buttons lacks the cookie.
    let pressed = scanner.submit("/sign-in/link", &[("token", &token)]).await;
    assert_eq!(pressed.status, 400);
    assert!(server.store.accounts().await.unwrap().is_empty());

    browser
        .get("/sign-in/link")
        .await
        .assert_shows(&format!("Log in as <bdi>{ADA}</bdi>?"));
    assert_eq!(
        browser
            .submit("/sign-in/link", &[("token", &token)])
            .await
            .location(),
        "/security"
    );
    assert!(is_signed_in(&mut browser).await);
    // The link works once, and its use also voids the code of the same mail.
    let again = browser.submit("/sign-in/link", &[("token", &token)]).await;
    assert_eq!(again.status, 400, "the flow is finished");
    assert!(rows(&server, "SELECT 1 FROM email_codes WHERE used_at IS NULL").is_empty());
}

#[tokio::test]
async fn f12_the_link_in_another_browser_shows_the_code_and_does_not_log_in() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    let mail = server.code_mail(ADA);
    let token = mail.token.unwrap();
    let mut telephone = server.visitor();
    let shown = telephone.get("/sign-in/link").await;
    // The page has no login form and hides the address. The script shows the code.
    shown
        .assert_hides("name=\"token\"")
        .assert_hides(ADA)
        .assert_shows("id=\"code\"")
        .assert_shows("sign-in-link.js");
    // A login of its own in progress does not change that.
    let mut attacker = asked(&server, "eve@example.com").await;
    for visitor in [&mut telephone, &mut attacker] {
        let pressed = visitor.submit("/sign-in/link", &[("token", &token)]).await;
        assert!([400, 401].contains(&pressed.status), "{pressed:?}");
        assert!(!is_signed_in(visitor).await);
    }
    let code = mail.code;
    assert_eq!(
        browser
            .submit("/sign-in/code", &[("code", &code)])
            .await
            .location(),
        "/security"
    );
    let accounts = server.store.accounts().await.unwrap();
    assert_eq!(accounts.len(), 1);
}

#[tokio::test]
async fn f06_f11_a_link_expires_after_ten_minutes_and_an_invalid_token_is_refused() {
    let server = TestServer::start().await;
    let mut browser = asked(&server, ADA).await;
    let token = server.code_mail(ADA).token.unwrap();
    for rubbish in ["", "x", &token[1..], &"A".repeat(43)] {
        let pressed = browser.submit("/sign-in/link", &[("token", rubbish)]).await;
        assert_eq!(pressed.status, 401, "{rubbish}");
    }
    server.advance(600);
    assert_eq!(
        browser.submit("/sign-in/link", &[("token", &token)]).await.status,
        401
    );
    browser.get("/sign-in/link").await.assert_hides(ADA);
    assert!(!is_signed_in(&mut browser).await);
}
