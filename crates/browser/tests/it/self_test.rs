//! Tests of the test support: its checks must find planted faults.

use crate::support::{Browser, Service, Theme, leak};

/// A page with faults that the checks of the real pages must find.
const BAD_PAGE: &str = "<!doctype html><html lang=en><title>t</title>
    <main><h1>Hello</h1><img src=\"data:image/png;base64,AAAA\"><p style=\"color:#bbb;background:#fff\">pale</p></main>";

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_page_are_found() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    browser.recorder.site("bad.test", BAD_PAGE);
    browser.visit("http://bad.test/").await;
    browser.see("Hello").await;
    let found = browser.axe().await.run(&browser).await;
    for rule in ["image-alt", "color-contrast"] {
        assert!(found.iter().any(|line| line.starts_with(rule)), "{found:?}");
    }
    browser.evaluate("console.error('planted error')").await;
    assert!(
        browser
            .complaints()
            .await
            .iter()
            .any(|line| line.contains("planted error"))
    );
    browser.set_viewport(320, 640, Theme::Dark).await;
    let dark = "[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches].join()";
    assert_eq!(browser.evaluate(dark).await, "320,true");
    assert!(browser.picture().await.starts_with(b"\x89PNG"));
    browser.open("/v1/auth/health").await;
    browser.see("ok").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_passkey_is_created_used_and_removed() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    browser.open("/v1/auth/health").await;
    let device = browser.plug_in().await;
    let created = browser
        .evaluate(
            "navigator.credentials.create({ publicKey: { rp: { id: 'localhost', name: 'x' },
            user: { id: new Uint8Array(8), name: 'n', displayName: 'n' }, challenge: new Uint8Array(32),
            pubKeyCredParams: [-7, -257].map(alg => ({ type: 'public-key', alg })),
            authenticatorSelection: { residentKey: 'required', userVerification: 'required' } } }).then(created => created.id)",
        )
        .await;
    let get = "navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: 'localhost',
        userVerification: 'required' } }).then(got => got.id, error => error.name)";
    assert_eq!(browser.evaluate(get).await, created);
    assert_eq!(browser.passkeys_on(&device).await.len(), 1);
    browser.lose(device).await;
    browser.plug_in().await;
    assert_eq!(browser.evaluate(get).await, "NotAllowedError");
    browser.close().await;
}

/// Leaks a secret in several kinds of requests, and in every form that `forms_found` knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_leak_is_found_in_every_form() {
    let service = Service::start().await;
    let browser = Browser::start(&service.origin).await;
    let mut secret: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 37 % 256).unwrap() ^ 0xa5);
    // The base64 of these bytes is `++//`, which an encoded form escapes.
    secret[..3].copy_from_slice(&[0xfb, 0xef, 0xff]);
    browser
        .recorder
        .site("leaky.test", "<!doctype html><body>a page without a policy");
    browser.visit("http://leaky.test/").await;
    let before = browser.recorder.requests().concat();
    assert_eq!(leak::forms_found(&secret, &before), Vec::<&str>::new());
    // A statement that sends a request, and the form of the secret in it.
    let leaks = [
        (
            "fetch('/a', { method: 'POST', body: bytes }).then(() => 0)",
            "raw",
        ),
        (
            "fetch('/b', { method: 'POST', body: binary }).then(() => 0)",
            "raw",
        ),
        ("fetch('/c?' + hex).then(() => 0)", "hex"),
        (
            "fetch('/d', { headers: { 'x-d': hex.toUpperCase() } }).then(() => 0)",
            "hex",
        ),
        (
            "navigator.sendBeacon('/e', JSON.stringify({ x: btoa(binary) }))",
            "base64",
        ),
        (
            "fetch('/f', { method: 'POST', body: btoa('{\"d\":\"' + binary + '\"}') }).then(() => 0)",
            "base64",
        ),
        ("new Image().src = '/g/' + url", "base64url"),
        (
            "fetch('/h', { method: 'POST', body: new URLSearchParams({ x: btoa(binary) }) }).then(() => 0)",
            "percent",
        ),
        (
            "fetch('/i?' + Array.from(bytes, byte => '%' + byte.toString(16).padStart(2, 0)).join('')).then(() => 0)",
            "percent",
        ),
        (
            "{ const form = document.createElement('form'); form.action = '/j'; form.method = 'post';
            const field = document.createElement('input'); field.name = 'x'; field.value = url;
            form.append(field); document.body.append(form); form.submit() }",
            "base64url",
        ),
    ];
    let list = secret.map(|byte| byte.to_string()).join(",");
    for (statement, form) in leaks {
        browser.visit("http://leaky.test/").await;
        let before = browser.recorder.requests().len();
        let script = format!(
            "{{ const bytes = new Uint8Array([{list}]), binary = String.fromCharCode(...bytes),
            hex = Array.from(bytes, byte => byte.toString(16).padStart(2, 0)).join(''),
            url = btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''); {statement} }}"
        );
        browser.evaluate(&script).await;
        browser
            .until(statement, async || {
                let sent = browser.recorder.requests()[before..].concat();
                leak::forms_found(&secret, &sent).contains(&form)
            })
            .await;
    }
    browser.close().await;
}
