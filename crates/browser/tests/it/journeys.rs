//! User journeys: API keys from their creation to their revocation, and the loss of a passkey.

use jiff::SignedDuration;
use serde_json::Value;

use crate::support::sdk::{Sdk, openssl, tm_auth};
use crate::support::{Browser, Service};

const HOME: &str = "ada@example.com";

/// Creates a key in the browser, mints with it and revokes it. Then registers a key that OpenSSL
/// created. Then registers a key that `tm-auth` created and mints with it.
pub(crate) async fn keys_from_the_browser_openssl_and_tm_auth(service: Service) {
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_code(&service, HOME).await;

    let file = browser.create_key("from the browser").await;
    browser.press("View key").await;
    browser.see("Last used").await;
    let sdk = Sdk::new(&service.origin, &file);
    let tokens = sdk.mint();
    assert!(tokens["access_token"].is_string(), "{tokens}");
    browser
        .until("the address of the mint", async || {
            browser.reload().await;
            browser.text().await.contains("127.0.0.1")
        })
        .await;
    let access_token = tokens["access_token"]
        .as_str()
        .expect("the mint returns an access token");
    assert_eq!(status_with(&service, access_token).await, 200);
    browser.revoke_key().await;
    browser.see("revoked").await;
    assert_eq!(sdk.mint()["status"], 401);
    assert_eq!(
        sdk.refresh(
            tokens["refresh_token"]
                .as_str()
                .expect("the mint returns a refresh token")
        )["status"],
        401
    );
    assert_eq!(status_with(&service, access_token).await, 401);

    let folder = tempfile::tempdir().expect("a folder can be created");
    openssl(
        folder.path(),
        &[
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            "truemarkets-key.pem",
        ],
    );
    let public = openssl(folder.path(), &["pkey", "-in", "truemarkets-key.pem", "-pubout"]);
    browser
        .register_key("by openssl", &public, "OpenSSL", folder.path())
        .await;
    browser.see("by openssl").await;

    let printed = tm_auth(
        folder.path(),
        &["key", "new", "--out", "truemarkets-api-key.json"],
    );
    let (public, fingerprint) = printed
        .split_once("fingerprint: ")
        .expect("the output has a fingerprint");
    browser
        .register_key("by tm-auth", public.trim(), "tm-auth", folder.path())
        .await;
    browser.see(fingerprint.trim()).await;
    let key_id = browser
        .path()
        .await
        .rsplit('/')
        .next()
        .expect("the path ends with a key id")
        .split('?')
        .next()
        .map(str::to_owned);
    let file = folder.path().join("truemarkets-api-key.json");
    let mut key: Value = serde_json::from_slice(&std::fs::read(&file).expect("the key file can be read"))
        .expect("the file is JSON");
    key["key_id"] = key_id.into();
    std::fs::write(&file, key.to_string()).expect("the file can be written");
    let tokens = Sdk::new(&service.origin, &file).mint();
    assert!(tokens["access_token"].is_string(), "{tokens}");
    browser.close().await;
}

/// The status of a request with this access token.
async fn status_with(service: &Service, access_token: &str) -> u16 {
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("the HTTP client can be built");
    let request = http.get(format!("{}/v1/auth/api-key", service.origin));
    let answer = request.bearer_auth(access_token).send().await;
    answer.expect("the service answers").status().as_u16()
}

/// Loses passkeys and recovers the account by e-mail. The owner is notified and can object for a
/// day.
pub(crate) async fn a_lost_passkey(service: Service) {
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_code(&service, HOME).await;
    let telephone = browser.plug_in().await;
    browser.add_passkey("Telephone").await;
    service.mail(HOME, "Telephone").await;
    // From now on, changes of the login methods require a passkey.
    browser.confirm_by_passkey().await;
    // Do not use the first passkey while the second one is created.
    browser.set_automatic_touch(&telephone, false).await;
    let key_ring = browser.plug_in_via("usb").await;
    browser.add_passkey("Key ring").await;
    service.mail(HOME, "Key ring").await;
    browser.set_automatic_touch(&key_ring, false).await;
    browser.sign_out().await;

    // The telephone is lost. A code by e-mail logs in, but does not allow adding a passkey.
    browser.lose(telephone).await;
    service.advance(SignedDuration::from_secs(61));
    browser.sign_in_by_code(&service, HOME).await;
    let before = service.mails(HOME).len();
    browser.start_recovery().await;
    let mail = service.next_mail(HOME, before).await;
    assert!(mail.subject.to_lowercase().contains("recovery"), "{mail:?}");
    assert!(!browser.text().await.contains("Name of the new passkey"));
    browser.sign_out().await;

    // The key ring logs in, which cancels the recovery.
    let before = service.mails(HOME).len();
    browser.open("/mailbox").await;
    browser.set_automatic_touch(&key_ring, true).await;
    browser.sign_in_by_button().await;
    browser.see("A recovery of this account was in progress").await;
    let mail = service.next_mail(HOME, before).await;
    assert!(mail.subject.to_lowercase().contains("cancelled"), "{mail:?}");
    browser.press("Continue").await;
    browser.arrive("/api-keys").await;
    browser.sign_out_with(&key_ring).await;

    // The key ring is lost too. This time, no login with a passkey cancels the recovery.
    browser.lose(key_ring).await;
    service.advance(SignedDuration::from_secs(61));
    browser.sign_in_by_code(&service, HOME).await;
    browser.start_recovery().await;
    service.advance(SignedDuration::from_hours(24) + SignedDuration::from_secs(1));
    browser.sign_in_by_code(&service, HOME).await;
    let telephone = browser.plug_in().await;
    let before = service.mails(HOME).len();
    browser.add_passkey("New telephone").await;
    service.next_mail(HOME, before).await;
    browser.confirm_by_passkey().await;
    browser.set_automatic_touch(&telephone, false).await;
    browser.delete_account(HOME).await;
    service.mail(HOME, "deleted").await;

    // The service refuses the passkey of the deleted account. The console reports the response.
    browser.open("/mailbox").await;
    browser.set_automatic_touch(&telephone, true).await;
    browser.sign_in_by_button().await;
    let refused = "/passkeys/sign-in - Failed to load resource: the server responded with a status of 400";
    browser
        .until("a refusal", async || {
            browser
                .complaints()
                .await
                .iter()
                .any(|complaint| complaint.contains(refused))
        })
        .await;
    assert_eq!(browser.path().await, "/sign-in");
    browser.close().await;
}
