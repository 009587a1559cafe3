//! Opens every page in every state and inspects it; see `support/inspection.rs` for the checks.

use std::path::Path;

use jiff::SignedDuration;
use tm_auth_client::{AuthApi, Signer, key_file};
use tm_auth_server::clock::Clock as _;

use crate::support::sdk::openssl;
use crate::support::{AppleProvider, Browser, Service};

const ADDRESS: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn h11_the_pages_before_the_sign_in() {
    let mut provider = None;
    let service = Service::start_with(|config| provider = Some(AppleProvider::start(config))).await;
    let browser = Browser::start(&service.origin).await;
    browser.open("/sign-in").await;
    browser.inspect("sign-in").await;
    browser.open("/mailbox").await;
    browser.inspect("mailbox-empty").await;

    browser.ask_for_mail(ADDRESS).await;
    browser.inspect("sign-in-code").await;
    let mail = service.next_mail(ADDRESS, 0).await;
    browser.fill("Code", "1111-1111").await;
    browser.press("Log in").await;
    browser.find("//*[@id='code-error']").await;
    browser.discard_complaints().await;
    browser.inspect("sign-in-code-wrong").await;
    browser.visit(&mail.link()).await;
    browser.see("Log in as").await;
    browser.inspect("sign-in-link").await;
    browser.open("/mailbox").await;
    browser.inspect("mailbox").await;

    browser.open("/nowhere").await;
    browser.see("Page not found").await;
    browser.expect_status(404).await;
    browser.inspect("nothing-here").await;

    let other_browser = Browser::start(&service.origin).await;
    other_browser.visit(&mail.link()).await;
    other_browser.see(&mail.code()).await;
    other_browser.inspect("sign-in-link-elsewhere").await;
    other_browser.close().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_the_pages_of_keys() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_code(&service, ADDRESS).await;
    browser.inspect("api-keys-empty").await;
    browser.open("/api-keys/new").await;
    browser.inspect("api-key-new").await;
    browser.fill("Name", "Market maker, Frankfurt").await;
    browser.press("Create the key here").await;
    browser.see("Save the key file now").await;
    browser.inspect("api-key-made").await;
    browser.press("Download the key file").await;
    let file = browser.downloaded().await;
    browser.choose("I have saved the file").await;
    browser.press("Activate the key").await;
    browser.see("The key is active").await;
    browser.inspect("api-key-active").await;
    browser.press("View key").await;
    browser.see("Fingerprint").await;
    browser.inspect("api-key-unused").await;
    use_key(&service, &file).await;
    browser
        .until("use and refusal", async || {
            browser.reload().await;
            browser.text().await.contains("timestamp_out_of_range")
        })
        .await;
    browser.inspect("api-key").await;
    let key = browser.path().await;
    for (path, name) in [("edit", "api-key-edit"), ("revoke", "api-key-revoke")] {
        browser.open(&format!("{key}/{path}")).await;
        browser.inspect(name).await;
    }

    let folder = tempfile::tempdir().expect("a folder for a key");
    let curve = [
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ];
    let private = openssl(
        folder.path(),
        &[&curve[..], &["-out", "truemarkets-key.pem"]].concat(),
    );
    assert_eq!(private, "");
    let public = openssl(folder.path(), &["pkey", "-in", "truemarkets-key.pem", "-pubout"]);
    browser.open("/api-keys/new").await;
    browser.fill("Name", "Backtest").await;
    browser.fill("Public key", &public).await;
    browser.press("Continue").await;
    browser.see("Prove possession of the key").await;
    browser.inspect("api-key-proof").await;
    browser.fill("Signature", "AAAA").await;
    browser.press("Register the key").await;
    browser.find("//*[@id='signature-error']").await;
    browser.discard_complaints().await;
    browser.inspect("api-key-proof-wrong").await;
    browser
        .register_key("Backtest", &public, "OpenSSL", folder.path())
        .await;
    browser.open("/api-keys").await;
    browser.inspect("api-keys").await;
    browser.open("/activity").await;
    browser.inspect("activity").await;
    browser.close().await;
}

/// Mints one token. Then sends a challenge that the service refuses because it is too old.
async fn use_key(service: &Service, file: &Path) {
    let file = key_file::load(file).expect("a key file");
    let signer = Signer::from_key_file(&file).expect("a P-256 key");
    let key_id = file.key_id.expect("a registered key");
    let api = AuthApi::new(&format!("{}/v1/auth", service.origin)).expect("a base URL");
    let now = service.clock.now();
    let request = signer.mint_request(key_id, now).expect("a signature");
    api.mint(&request).await.expect("a token");
    let late = now - SignedDuration::from_mins(10);
    let request = signer.mint_request(key_id, late).expect("a signature");
    api.mint(&request).await.expect_err("the challenge is too old");
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_the_pages_of_the_login_methods() {
    let mut provider = None;
    let service = Service::start_with(|config| provider = Some(AppleProvider::start(config))).await;
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_code(&service, ADDRESS).await;
    browser.open("/security").await;
    browser.inspect("security-new").await;
    browser.fill("New address", "ada@example.org").await;
    browser.press("Change the address").await;
    browser.see("Verify the new address").await;
    browser.inspect("security-email-code").await;
    let device = browser.plug_in().await;
    browser.add_passkey("Telephone").await;
    browser.inspect("security-one-passkey").await;
    browser.confirm_by_passkey().await;
    browser.inspect("security").await;
    browser.open("/security/delete").await;
    browser.inspect("security-delete").await;
    browser.sign_out_with(&device).await;

    service.advance(SignedDuration::from_secs(61));
    browser.sign_in_by_code(&service, ADDRESS).await;
    browser.start_recovery().await;
    browser.inspect("security-recovery").await;
    service.advance(SignedDuration::from_mins(6));
    browser.open("/security/delete").await;
    browser.inspect("security-delete-stale").await;
    browser.open("/sign-in?next=/security").await;
    browser.inspect("sign-in-again").await;
    browser.close().await;
}
