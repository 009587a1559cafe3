//! Sign-up by each login method alone: passkey, e-mail code, e-mail link, Apple.

use thirtyfour::Key;

use crate::support::{AppleProvider, Browser, Service};

pub(crate) async fn a_passkey_creates_an_account(service: Service) {
    let browser = Browser::start(&service.origin).await;
    let device = browser.plug_in().await;
    browser.sign_up_by_passkey("Ada").await;
    browser.see("No key yet").await;
    assert_eq!(browser.passkeys_on(&device).await.len(), 1);
    browser.open("/security").await;
    browser.see("Passkeys").await;
    let name = browser.signed_in_as().await;
    browser.sign_out_with(&device).await;
    // Leave the login page before the authenticator is touched automatically. The login page would
    // log in without a click.
    browser.open("/mailbox").await;
    browser.set_automatic_touch(&device, true).await;
    browser.sign_in_by_button().await;
    browser.arrive("/api-keys").await;
    assert_eq!(browser.signed_in_as().await, name);

    // With automatic touch, the login page uses the passkey at once, without a click.
    browser.open("/security").await;
    browser.press_sign_out().await;
    browser.arrive("/api-keys").await;
    assert_eq!(browser.signed_in_as().await, name);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_code_signs_up_and_signs_in_again() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_code(&service, "ada@example.com").await;
    assert_eq!(browser.signed_in_as().await, "ada@example.com");
    browser.see("No key yet").await;
    browser.sign_out().await;

    // A wrong code is reported, and the right one still works.
    service.advance(jiff::SignedDuration::from_secs(61));
    let before = service.mails("ada@example.com").len();
    browser.ask_for_mail("ada@example.com").await;
    let code = service.next_mail("ada@example.com", before).await.code();
    let wrong: String = code
        .chars()
        .map(|digit| if digit == '1' { '2' } else { '1' })
        .collect();
    browser.fill("Code", &wrong).await;
    browser.press("Log in").await;
    browser.see("code is wrong").await;
    browser.discard_complaints().await;
    browser.fill("Code", &code.replace('-', "")).await;
    browser.press("Log in").await;
    browser.arrive("/api-keys").await;
    assert_eq!(browser.signed_in_as().await, "ada@example.com");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_link_signs_up() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_link(&service, "ada@example.com").await;
    browser.see("No key yet").await;
    assert_eq!(browser.signed_in_as().await, "ada@example.com");
    browser.close().await;
}

/// Starts at the top of the page and uses no mouse.
#[tokio::test(flavor = "multi_thread")]
async fn h11_sign_in_works_with_the_keyboard_alone() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    let focus = "document.activeElement.id || document.activeElement.textContent.trim()";
    let outlined = "getComputedStyle(document.activeElement).outlineStyle !== 'none'";
    browser.open("/sign-in").await;
    let mut focused = Vec::new();
    while focused.last().is_none_or(|last| last != "email") {
        browser.keys(Key::Tab).await;
        assert_eq!(browser.evaluate(outlined).await, true, "{focused:?}");
        focused.push(
            browser
                .evaluate(focus)
                .await
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
        assert!(focused.len() < 8, "{focused:?}");
    }
    assert_eq!(focused[0], "Skip to the content");
    browser.keys("ada@example.com" + Key::Enter).await;
    browser.see("Enter the code").await;
    assert_eq!(browser.evaluate(focus).await, "code");
    let code = service.next_mail("ada@example.com", 0).await.code();
    browser.keys(code + Key::Enter).await;
    browser.arrive("/api-keys").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_mail_scanner_with_javascript_does_not_use_up_the_link() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    let scanner = Browser::start(&service.origin).await;
    let address = "ada@example.com";
    browser.ask_for_mail(address).await;
    let mail = service.next_mail(address, 0).await;

    // The scanner opens the link, runs the page's scripts and presses every button.
    scanner.visit(&mail.link()).await;
    scanner.see("Enter this code where you asked for it").await;
    scanner.see(&mail.code()).await;
    let press_all = "document.querySelectorAll('main button').forEach(button => button.click())";
    scanner.evaluate(press_all).await;
    scanner.visit(&mail.link()).await;
    assert!(!scanner.text().await.contains("Log out"));
    scanner.close().await;

    // The recipient of the mail can still use the link.
    browser.visit(&mail.link()).await;
    browser.see(&format!("Log in as {address}?")).await;
    assert!(
        !browser.path().await.contains("token"),
        "{}",
        browser.path().await
    );
    browser.press("Log in").await;
    browser.arrive("/api-keys").await;
    assert_eq!(browser.signed_in_as().await, address);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apple_account_signs_up_and_signs_in_again() {
    let mut provider = None;
    let service = Service::start_with(|config| provider = Some(AppleProvider::start(config))).await;
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_apple("eve").await;
    browser.see("No key yet").await;
    let name = browser.signed_in_as().await;
    browser.sign_out().await;
    browser.open("/sign-in").await;
    browser.press("Continue with Apple").await;
    // The provider may recognise the browser by its cookie and skip the choice of a user.
    browser
        .until("the API Keys page", async || {
            let path = browser.path().await;
            if path.contains("/interaction/") {
                browser.press("eve").await;
            }
            path.starts_with("/api-keys")
        })
        .await;
    assert_eq!(browser.signed_in_as().await, name);
    browser.close().await;
}
