//! Tests that the browser never sends the private key of a key that it creates, or a pasted one.
//!
//! `self_test.rs` shows that [`leak::forms_found`] finds a leak in every form. The first test here
//! also plants leaks on the real page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::{Browser, Service, leak};

#[tokio::test(flavor = "multi_thread")]
async fn the_private_key_is_in_no_request() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_code(&service, "ada@example.com").await;
    let file = browser.create_key("bot").await;
    let content = std::fs::read(file).expect("the key file can be read");
    let key: Value = serde_json::from_slice(&content).expect("the file is JSON");
    let member = |name: &str| {
        let text = key["private_key"][name].as_str().expect("the JWK has the member");
        URL_SAFE_NO_PAD.decode(text).expect("the member is base64url")
    };
    let (private, public) = (member("d"), member("x"));
    assert_eq!(private.len(), 32);

    // Leave the page and open others, to include the requests that pages send when they close.
    browser.press("View key").await;
    browser.see("Get the first token").await;
    browser.open("/api-keys").await;
    browser.open("/activity").await;
    let sent = browser.recorder.requests().concat();
    assert_eq!(leak::forms_found(&private, &sent), Vec::<&str>::new());
    // The search works on these requests: it finds the public key, which the page sends.
    assert!(leak::forms_found(&public, &sent).contains(&"base64url"));

    // Plant leaks that the page's policy allows: its scripts may send requests to the service.
    let bytes = private.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let leaking_script = |body: &str| {
        format!(
            "{{ const bytes = new Uint8Array([{bytes}]), text = String.fromCharCode(...bytes),
            hex = Array.from(bytes, byte => byte.toString(16).padStart(2, 0));
            fetch('/v1/auth/health', {{ method: 'POST', body: {body} }}).then(() => 0) }}"
        )
    };
    let forms = [
        ("raw", "bytes"),
        ("hex", "hex.join('')"),
        ("base64", "JSON.stringify({ note: btoa(text) })"),
        (
            "base64url",
            "btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')",
        ),
        ("percent", "hex.map(byte => '%' + byte).join('')"),
    ];
    for (form, body) in forms {
        let before = browser.recorder.requests().len();
        browser.evaluate(&leaking_script(body)).await;
        let sent = browser.recorder.requests()[before..].concat();
        assert!(leak::forms_found(&private, &sent).contains(&form), "{form}");
    }
    browser.discard_complaints().await;
    browser.close().await;
}

/// The page warns a user who pastes a private key, empties the field, and does not send the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_private_key_is_stopped_in_the_browser() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    browser.sign_in_by_code(&service, "ada@example.com").await;
    browser.open("/api-keys/new").await;
    browser.fill("Name", "bot").await;
    let secret = "MHcCAQEEIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake";
    let pem = format!("-----BEGIN EC PRIVATE KEY-----\\n{secret}\\n-----END EC PRIVATE KEY-----");
    browser
        .field("Public key")
        .await
        .click()
        .await
        .expect("the field can be clicked");
    let before = browser.recorder.requests().len();
    browser
        .evaluate(&format!("document.execCommand('insertText', false, '{pem}')"))
        .await;
    browser.press("Continue").await;
    browser.see("That was a private key.").await;
    let field = browser.field("Public key").await;
    assert_eq!(
        field.value().await.expect("the field has a value").as_deref(),
        Some("")
    );
    let sent = browser.recorder.requests()[before..].concat();
    assert!(!String::from_utf8_lossy(&sent).contains("FakeFake"));
    browser.close().await;
}

/// The script of the page names the same forms as the service: both are tested with these texts.
#[tokio::test(flavor = "multi_thread")]
async fn r54_the_script_finds_private_keys_in_every_form() {
    let cases: Value = serde_json::from_str(include_str!("../../../core/src/public_key/input/pasted.json"))
        .expect("the file is JSON");
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    let script = format!(
        "import(document.querySelector('script[src*=api-key-new]').src.replace('api-key-new', 'private-key')).then(({{ privateKeyForm }}) =>
            {cases}.filter(({{ text, private: form }}) => privateKeyForm(text) !== form).map(({{ name }}) => name))"
    );
    browser.sign_in_by_code(&service, "ada@example.com").await;
    browser.open("/api-keys/new").await;
    assert_eq!(browser.evaluate(&script).await, Value::Array(Vec::new()));
    browser.close().await;
}
