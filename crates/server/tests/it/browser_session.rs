//! The session cookie: its attributes and lifetime, and that a login voids an earlier cookie.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use tm_auth_core::user::AuthMethod;

use crate::support::{Answer, TestServer, Visitor};

const ADA: &str = "ada@example.com";
const MALLORY: &str = "mallory@example.com";

/// Logs in by mail. Returns the answer that sets the cookie.
async fn sign_in(server: &TestServer, browser: &mut Visitor<'_>, email: &str) -> Answer {
    let asked = browser.submit("/sign-in", &[("email", email)]).await;
    assert_eq!(asked.status, 303, "{asked:?}");
    let code = server.code_mail(email).code;
    let answer = browser.submit("/sign-in/code", &[("code", &code)]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    answer
}

/// The `Set-Cookie` header for this name.
fn cookie(answer: &Answer, name: &str) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter();
    let mut ours = cookies
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .filter(|cookie| cookie.starts_with(&format!("{name}=")));
    ours.next().unwrap_or_else(|| panic!("no {name}: {answer:?}"))
}

#[tokio::test]
async fn h01_the_cookie_is_for_this_host_only_and_not_for_scripts() {
    let plain = BTreeSet::from(["HttpOnly", "Path=/", "SameSite=Lax"]);
    let tls = BTreeSet::from(["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    for (public_url, name, expected) in [
        (Some("https://localhost/v1/auth"), "__Host-sid", tls),
        (None, "sid", plain),
    ] {
        let server = TestServer::start_with(|config| {
            if let Some(url) = public_url {
                config.public_url = url.parse().unwrap();
            }
        })
        .await;
        let mut browser = server.visitor();
        let set = cookie(&sign_in(&server, &mut browser, ADA).await, name);
        let (value, attributes) = set.split_once("; ").unwrap();
        let attributes: BTreeSet<&str> = attributes.split("; ").collect();
        // Without `Domain` it is for this host only. Without `Max-Age` it ends with the browser.
        assert_eq!(attributes, expected);
        let value = value.split_once('=').unwrap().1;
        let bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
        assert_eq!(bytes.len(), 32, "an id, and a secret of 128 bits");
        let out = cookie(&browser.submit("/sign-out", &[]).await, name);
        let gone: BTreeSet<&str> = out.split("; ").skip(1).collect();
        assert!(gone.is_superset(&expected) && gone.contains("Max-Age=0"), "{out}");
    }
}

#[tokio::test]
async fn h01_a_cookie_with_another_prefix_is_ignored() {
    let server = TestServer::start_with(|config| {
        config.public_url = "https://auth.example.com/v1/auth".parse().unwrap();
    })
    .await;
    let account = server.account().await;
    let signed_in = server.signed_in(&account, AuthMethod::Passkey).await;
    let value = signed_in.cookies["__Host-sid"].clone();
    // Another host of the domain could have set a cookie without the prefix.
    for (name, status) in [
        ("__Host-sid", 200),
        ("sid", 401),
        ("__host-sid", 401),
        ("__Secure-sid", 401),
    ] {
        let mut browser = server.visitor();
        browser.cookies.insert(name.to_owned(), value.clone());
        let request = browser.request(Method::GET, "/v1/auth/sessions");
        assert_eq!(browser.send(request).await.status, status, "{name}");
    }
    // Two cookies: another host may have set one of them.
    let twice = server
        .http
        .get(format!("{}/v1/auth/sessions", server.origin))
        .header("cookie", format!("__Host-sid={value}; __Host-sid={value}"));
    assert_eq!(twice.send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn h01_cookies_are_not_accepted_as_tokens_nor_tokens_as_cookies() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let browser = server.signed_in(&account, AuthMethod::Passkey).await;
    let cookie = &browser.cookies["sid"];
    for path in ["/sessions", "/api-keys", "/api-key"] {
        server
            .get_with(path, cookie)
            .await
            .assert_error(401, "invalid_token");
    }
    server
        .refresh(cookie)
        .await
        .assert_error(401, "invalid_refresh_token");
    let management = server.management_token(&account).await;
    for token in [management.as_str(), "", "A", &"A".repeat(43), &"A".repeat(5000)] {
        let mut thief = server.visitor();
        thief.cookies.insert("sid".to_owned(), token.to_owned());
        let answer = thief.get("/v1/auth/sessions").await;
        answer.assert_error(401, "missing_session");
    }
    // The cookie with one bit of each byte of its session id or secret flipped.
    let bytes = URL_SAFE_NO_PAD.decode(cookie).unwrap();
    for flipped in 0..32 {
        let mut forged = bytes.clone();
        forged[flipped] ^= 1;
        let mut thief = server.visitor();
        thief
            .cookies
            .insert("sid".to_owned(), URL_SAFE_NO_PAD.encode(forged));
        let answer = thief.get("/v1/auth/sessions").await;
        answer.assert_error(401, "missing_session");
    }
}

#[tokio::test]
async fn h02_a_login_replaces_the_cookie_from_before() {
    let server = TestServer::start().await;
    // The attacker logs in and plants that cookie in the victim's browser.
    let mut attacker = server.visitor();
    sign_in(&server, &mut attacker, MALLORY).await;
    let planted = attacker.cookies["sid"].clone();
    let mut victim = server.visitor();
    victim.cookies.insert("sid".to_owned(), planted.clone());
    sign_in(&server, &mut victim, ADA).await;
    assert_ne!(victim.cookies["sid"], planted);
    assert_ne!(victim.sid(), attacker.sid());
    // The victim's login ends the planted session, for the attacker too.
    attacker
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    victim.get("/security").await.assert_shows(ADA);

    // A login does not adopt an invented cookie either.
    let made_up = URL_SAFE_NO_PAD.encode([7; 32]);
    let mut victim = server.visitor();
    victim.cookies.insert("sid".to_owned(), made_up.clone());
    server.advance(61);
    sign_in(&server, &mut victim, ADA).await;
    assert_ne!(victim.cookies["sid"], made_up);
    let mut attacker = server.visitor();
    attacker.cookies.insert("sid".to_owned(), made_up);
    attacker
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
}

#[tokio::test]
async fn h02_a_step_up_gives_a_new_cookie_and_ends_the_old_one() {
    let server = TestServer::start().await;
    let mut browser = server.visitor();
    sign_in(&server, &mut browser, ADA).await;
    let mut before = browser.clone();
    server.advance(301);
    sign_in(&server, &mut browser, ADA).await;
    assert_ne!(browser.sid(), before.sid());
    assert_ne!(browser.cookies["sid"], before.cookies["sid"]);
    assert_ne!(
        browser.csrf(),
        before.csrf(),
        "forms of earlier pages are refused"
    );
    before
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    let sessions = browser.get("/v1/auth/sessions").await;
    assert_eq!(sessions.body["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn h10_logging_out_ends_the_session_and_clears_the_browser() {
    let server = TestServer::start().await;
    let mut browser = server.visitor();
    sign_in(&server, &mut browser, ADA).await;
    let page = browser.get("/security").await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
    let mut thief = browser.clone();
    let out = browser.submit("/sign-out", &[]).await;
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert_eq!(
        cookie(&out, "sid"),
        "sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    );
    assert_eq!(out.header("clear-site-data"), "\"cache\", \"storage\"");
    assert!(!browser.cookies.contains_key("sid"));
    // The session has ended, even for a browser that kept the cookie.
    thief
        .get("/v1/auth/sessions")
        .await
        .assert_error(401, "missing_session");
    let back = thief.get("/security").await;
    assert_eq!(
        (back.status, back.header("location")),
        (303, "/sign-in?next=/security")
    );
}

#[tokio::test]
async fn h10_a_link_or_a_form_without_the_csrf_token_does_not_log_out() {
    let server = TestServer::start().await;
    let mut browser = server
        .signed_in(&server.account().await, AuthMethod::Passkey)
        .await;
    assert_eq!(browser.get("/sign-out").await.status, 405);
    let request = browser
        .request(Method::POST, "/sign-out")
        .header("origin", &server.origin)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("csrf=");
    assert_eq!(browser.send(request).await.status, 403);
    assert_eq!(browser.get("/v1/auth/sessions").await.status, 200);
}
