//! `/api-keys…`, as a browser without scripts uses them.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tm_auth_core::user::AuthMethod;
use tm_auth_proto::challenge;
use tm_auth_store::AuditContext;

use crate::support::{HtmlPage, TestBrowser, TestKey, TestServer, eventually};

/// The settings as the form posts them.
const SETTINGS: [(&str, &str); 5] = [
    ("label", "grid bot"),
    ("read", "on"),
    ("trade", "on"),
    ("expires_at", "2027-06-01T12:30"),
    ("allowed_ips", ""),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&SETTINGS[..], more].concat()
}

/// The value of a hidden field.
fn hidden(page: &HtmlPage, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = page.text.split(&begin).nth(1).expect("the field is there");
    rest.split('"').next().unwrap().to_owned()
}

fn escaped(text: &str) -> String {
    [
        ('&', "&#38;"),
        ('<', "&#60;"),
        ('>', "&#62;"),
        ('"', "&#34;"),
        ('\'', "&#39;"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (c, entity)| text.replace(*c, entity))
}

/// Registers a public key by the page's two forms.
async fn register(browser: &TestBrowser, server: &TestServer, key: &TestKey) -> HtmlPage {
    let public = key.signer.public_key_pem().unwrap();
    let proof = browser
        .post("/api-keys/new", &with(&[("public_key", &public)]))
        .await;
    assert_eq!(proof.status, 200, "{proof:?}");
    let timestamp = hidden(&proof, "timestamp");
    let text = challenge::registration(
        server.issuer(),
        key.account.uid,
        key.signer.fingerprint(),
        timestamp.parse().unwrap(),
    );
    proof.assert_shows(&text).assert_shows(key.signer.fingerprint());
    let signature = key.sign(&text);
    let fields = [
        ("public_key", public.as_str()),
        ("timestamp", &timestamp),
        ("signature", &signature),
    ];
    browser.post("/api-keys/new/proof", &with(&fields)).await
}

#[tokio::test]
async fn an_empty_list_links_to_the_registration() {
    let server = TestServer::start().await;
    let browser = server.browser(&server.account().await).await;
    let page = browser.get("/api-keys").await;
    assert_eq!(page.status, 200);
    page.assert_shows("No key yet")
        .assert_shows("href=\"/api-keys/new\"");
}

#[tokio::test]
async fn a_public_key_is_registered_with_a_pasted_signature() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let browser = server.browser(&account).await;
    let form = browser.get("/api-keys/new").await;
    form.assert_shows("tm-auth key new")
        .assert_shows("openssl ecparam");
    let key = TestKey::unregistered(&account);
    let answer = register(&browser, &server, &key).await;
    let place = answer.location().to_owned();
    let page = browser.get(&place).await;
    page.assert_shows("The key is registered and active.")
        .assert_shows("grid bot")
        .assert_shows(key.signer.fingerprint())
        .assert_shows("2027-06-01 12:30:00 UTC")
        .assert_shows("read and trade");
    let key_id = place["/api-keys/".len()..]
        .split('?')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let key = key.registered(key_id);
    let minted = server.mint(&key).await;
    assert_eq!(minted.key_expires_at.unwrap().to_string(), "2027-06-01T12:30:00Z");
    // The page shows when the key was last used.
    let shown = eventually(async || {
        let page = browser.get("/api-keys").await;
        page.text.contains("just now from").then_some(page)
    })
    .await;
    shown.assert_shows("127.0.0.1");
    // A key can be registered only once.
    let answer = register(&browser, &server, &key).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    answer.assert_shows("registered before");
}

#[tokio::test]
async fn a_wrong_signature_is_reported_and_an_expired_challenge_is_replaced() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let browser = server.browser(&account).await;
    let key = TestKey::unregistered(&account);
    let public = key.signer.public_key_pem().unwrap();
    let proof = browser
        .post("/api-keys/new", &with(&[("public_key", &public)]))
        .await;
    let timestamp = hidden(&proof, "timestamp");
    let fields = |signature| {
        [
            ("public_key", public.as_str()),
            ("timestamp", &timestamp),
            ("signature", signature),
        ]
    };
    let other = key.sign("something else");
    let answer = browser.post("/api-keys/new/proof", &with(&fields(&other))).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    answer
        .assert_shows("does not verify")
        .assert_shows("aria-invalid");
    assert_eq!(
        hidden(&answer, "timestamp"),
        timestamp,
        "the same text may be signed again"
    );

    server.advance(301);
    let browser = server.browser(&account).await;
    let answer = browser.post("/api-keys/new/proof", &with(&fields(&other))).await;
    answer.assert_shows("expired");
    assert_eq!(hidden(&answer, "timestamp"), server.now().as_second().to_string());
    assert!(
        server
            .store
            .live_api_keys(account.uid, server.now())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn c04_a_pasted_private_key_is_refused_and_not_sent_back() {
    let server = TestServer::start().await;
    let browser = server.browser(&server.account().await).await;
    let key = TestKey::unregistered(&browser.account);
    let file = key.signer.key_file("x", server.now()).unwrap();
    let jwk = serde_json::to_string(&file.private_key).unwrap();
    for pasted in [
        jwk.as_str(),
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----",
    ] {
        // The private key is reported even if the label is wrong too.
        let fields = [("label", ""), ("public_key", pasted)];
        let answer = browser.post("/api-keys/new", &fields).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        answer
            .assert_shows("private key")
            .assert_hides(&file.private_key.d)
            .assert_hides("MIGHAgEAMBMG");
    }
}

#[tokio::test]
async fn c08_h06_a_label_is_text_and_never_markup() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let browser = server.browser(&key.account).await;
    let path = format!("/api-keys/{}", key.id());
    for label in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{7*7}}'--",
    ] {
        let change = json!({ "label": label });
        server
            .manage(&key.account, Method::PATCH, &path, Some(change))
            .await;
        let pages = [
            "/api-keys",
            &path,
            &format!("{path}/edit"),
            &format!("{path}/revoke"),
            "/activity",
        ];
        for place in pages {
            let page = browser.get(place).await;
            assert_eq!(page.status, 200, "{place}");
            page.assert_shows(&escaped(label)).assert_hides(label);
        }
    }
    // Deceptive or long labels are refused, and the form says so beside the field.
    for bad in [
        "safe\u{202e}gnp.exe",
        "a\nb",
        &"x".repeat(65),
        &"x".repeat(10 << 10),
        "",
    ] {
        let answer = browser
            .post(&format!("{path}/edit"), &[("label", bad), ("read", "on")])
            .await;
        assert_eq!(answer.status, 400, "{bad:?}");
        answer.assert_shows("label-error");
    }
}

#[tokio::test]
async fn c12_creating_changing_and_enabling_a_key_needs_a_fresh_login() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let path = format!("/api-keys/{}", key.id());
    let old = server
        .browser_signed_in(
            &key.account,
            AuthMethod::Passkey,
            server.now() - SignedDuration::from_secs(301),
        )
        .await;
    // The forms ask for a fresh login before the user types anything.
    assert_eq!(
        old.get("/api-keys/new").await.location(),
        "/sign-in?next=/api-keys/new"
    );
    let edit = format!("{path}/edit");
    assert_eq!(old.get(&edit).await.location(), format!("/sign-in?next={edit}"));
    let public = TestKey::unregistered(&key.account)
        .signer
        .public_key_pem()
        .unwrap();
    for (place, fields) in [
        ("/api-keys/new", with(&[("public_key", &public)])),
        (&edit, with(&[])),
        (&format!("{path}/enable"), Vec::new()),
    ] {
        let answer = old.post(place, &fields).await;
        assert_eq!(answer.status, 403, "{place}: {answer:?}");
        answer
            .assert_shows("reauth_required")
            .assert_shows("/sign-in?next=");
    }
    // Viewing, disabling and revoking a key need no fresh login.
    assert_eq!(old.get(&path).await.status, 200);
    assert_eq!(
        old.post(&format!("{path}/disable"), &[]).await.location(),
        format!("{path}?done=disabled")
    );
    assert_eq!(
        old.post(&format!("{path}/revoke"), &[]).await.location(),
        format!("{path}?done=revoked")
    );
}

#[tokio::test]
async fn h03_forms_without_the_csrf_token_or_from_other_sites_change_nothing() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let browser = server.browser(&key.account).await;
    let place = format!("/api-keys/{}/revoke", key.id());
    let csrf = browser.csrf.clone();
    let other = server.browser(&key.account).await;
    for (fields, origin) in [
        (vec![], server.origin.as_str()),
        (vec![("csrf", "")], &server.origin),
        (vec![("csrf", other.csrf.as_str())], &server.origin),
        (vec![("csrf", csrf.as_str())], "https://evil.example"),
        (vec![("csrf", csrf.as_str())], "null"),
    ] {
        let answer = browser.post_from(&place, &fields, origin).await;
        assert_eq!(answer.status, 403, "{fields:?} from {origin}: {answer:?}");
        answer.assert_shows("cross_site_request");
    }
    server.mint(&key).await;
}

#[tokio::test]
async fn a_key_is_changed_disabled_enabled_and_revoked_on_its_page() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let browser = server.browser(&key.account).await;
    let path = format!("/api-keys/{}", key.id());
    let before = server.store.api_key(key.id()).await.unwrap().unwrap();
    let edit = browser.get(&format!("{path}/edit")).await;
    let end = edit.text.split("type=\"datetime-local\"").nth(1).unwrap();
    let end = end.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [
        ("label", "renamed"),
        ("read", "on"),
        ("expires_at", end),
        ("allowed_ips", "127.0.0.1\n2001:db8::/32, 10.0.0.0/8"),
    ];
    let answer = browser.post(&format!("{path}/edit"), &fields).await;
    browser
        .get(answer.location())
        .await
        .assert_shows("The change is saved.")
        .assert_shows("2001:db8::/32");
    let after = server.store.api_key(key.id()).await.unwrap().unwrap();
    assert_eq!(
        (after.label.as_str(), after.scopes.to_string()),
        ("renamed", "read".to_owned())
    );
    assert_eq!(after.allowed_ips.len(), 3);
    assert_eq!(
        after.expires_at, before.expires_at,
        "an unchanged expiry stays exactly the same"
    );
    for (field, value, problem) in [
        ("allowed_ips", "203.0.113.7/24", "203.0.113.0/24"),
        ("expires_at", "2020-01-01T00:00", "Must be in the future."),
        ("expires_at", "tomorrow", "in UTC"),
        ("read", "", "at least one scope"),
    ] {
        let mut fields = fields.to_vec();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let answer = browser.post(&format!("{path}/edit"), &fields).await;
        assert_eq!(answer.status, 400, "{field}");
        answer.assert_shows(problem);
    }

    let answer = browser.post(&format!("{path}/disable"), &[]).await;
    browser
        .get(answer.location())
        .await
        .assert_shows("badge warn")
        .assert_shows("Disabled");
    let mint = server.post("/api-key/token", &key.challenge(server.now())).await;
    mint.assert_error(401, "key_disabled");
    let answer = browser.post(&format!("{path}/enable"), &[]).await;
    browser.get(answer.location()).await.assert_shows("Active");
    server.advance(1);
    server.mint(&key).await;

    // The confirmation shows the last use of the key.
    let confirm = eventually(async || {
        let page = browser.get(&format!("{path}/revoke")).await;
        page.text.contains("This key is in use").then_some(page)
    })
    .await;
    confirm.assert_shows("127.0.0.1").assert_shows("Revoke this key");
    let answer = browser.post(&format!("{path}/revoke"), &[]).await;
    browser
        .get(answer.location())
        .await
        .assert_shows("Revoked")
        .assert_hides("Disable the key");
    // The page shows the reason of the refused request.
    let page = eventually(async || {
        let page = browser.get(&path).await;
        page.text.contains("The key was disabled.").then_some(page)
    })
    .await;
    page.assert_shows("<code>key_disabled</code>");
}

#[tokio::test]
async fn c11_another_accounts_key_is_not_found() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let stranger = server.browser(&server.account().await).await;
    let path = format!("/api-keys/{}", key.id());
    for place in [path.clone(), format!("{path}/edit"), format!("{path}/revoke")] {
        assert_eq!(stranger.get(&place).await.status, 404, "{place}");
    }
    for action in ["edit", "disable", "enable", "revoke"] {
        let fields = if action == "edit" { with(&[]) } else { Vec::new() };
        let answer = stranger.post(&format!("{path}/{action}"), &fields).await;
        assert_eq!(answer.status, 404, "{action}");
    }
    server.mint(&key).await;
}

#[tokio::test]
async fn h10_an_ended_session_shows_and_changes_nothing() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let browser = server.browser(&key.account).await;
    let path = format!("/api-keys/{}", key.id());
    assert_eq!(browser.get(&path).await.status, 200);
    let ended = server
        .store
        .end_user_session(
            key.account.uid,
            browser.session.sid,
            &AuditContext::operator(server.now()),
        )
        .await;
    assert!(ended.unwrap());
    // The old cookie redirects to the login. No page is cached, so Back shows none.
    for place in ["/api-keys", "/api-keys/new", "/activity", &path] {
        let page = browser.get(place).await;
        assert_eq!(page.location(), format!("/sign-in?next={place}"));
        assert_eq!(page.header("cache-control"), "no-store");
    }
    let answer = browser.post(&format!("{path}/revoke"), &[]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    answer
        .assert_shows("You are logged out")
        .assert_shows(&format!("/sign-in?next={path}"));
    server.mint(&key).await;
}
