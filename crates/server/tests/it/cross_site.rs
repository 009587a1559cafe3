//! Requests that another site makes a browser send.
//!
//! The routes are read from the source and from the OpenAPI document, so that a new one is tested
//! without being named here.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::{Method, RequestBuilder};
use tm_auth_core::user::AuthMethod;

use crate::support::{Stored, TestServer, Visitor, rows};

/// Apple's site posts to these paths by design. The tests of G26 and G27 cover their protection.
const BY_DESIGN: [&str; 2] = ["/apple/callback", "/apple/notifications"];

/// The path of the metrics, which have a listener of their own.
const METRICS: &str = "/metrics";

/// Every path that the service routes.
pub(super) fn routes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read_routes(&source, &mut found);
    let document = serde_json::to_value(tm_auth_server::openapi::document()).unwrap();
    let paths = document["paths"].as_object().unwrap().keys();
    found.extend(paths.map(|path| format!("/v1/auth{path}")));
    found
}

/// The paths of the listener for clients.
fn routes_for_clients() -> BTreeSet<String> {
    let mut routes = routes();
    assert!(routes.remove(METRICS));
    routes
}

fn read_routes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_routes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in text.split(".route(").skip(1) {
                let Some(literal) = call.trim_start().strip_prefix('"') else {
                    continue;
                };
                found.insert(literal.split('"').next().unwrap().to_owned());
            }
        }
    }
}

fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{key_id}" => "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e",
        part if part.starts_with('{') => "x",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn h03_the_list_of_routes_has_those_of_pages_and_of_the_api() {
    let routes = routes();
    for known in [
        "/sign-in",
        "/sign-out",
        "/security",
        "/security/sessions/end",
        "/v1/auth/sessions/{sid}",
        "/v1/auth/api-keys/{key_id}",
        "/v1/auth/api-key/token",
    ] {
        assert!(routes.contains(known), "{known} is not among {routes:?}");
    }
}

/// Adds the headers that a browser sends if another site causes the request.
fn hostile(request: RequestBuilder, which: usize) -> Option<RequestBuilder> {
    Some(match which {
        // A form, and a script with its own origin.
        0 => request
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site"),
        // A browser without Fetch Metadata.
        1 => request.header("origin", "https://evil.example"),
        // From a sandboxed frame, a `data:` URL, or after a redirect.
        2 => request
            .header("origin", "null")
            .header("sec-fetch-site", "cross-site"),
        3 => request.header("origin", "null"),
        // `no-cors`, without the origin.
        4 => request
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "no-cors"),
        // Another host of the same domain, another port, another scheme.
        5 => request
            .header("origin", "http://localhost")
            .header("sec-fetch-site", "same-site"),
        6 => request.header("sec-fetch-site", "same-site"),
        7 => request.header("origin", "http://localhost:1"),
        // Neither header, which no current browser does.
        8 => request,
        // A URL that was typed, dragged or opened by another program.
        9 => request.header("sec-fetch-site", "none"),
        _ => return None,
    })
}

#[tokio::test]
async fn h03_no_route_changes_anything_for_another_site() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
    let before = state(&server);
    let routes = routes_for_clients();
    let mut tried = 0;
    for path in routes.iter().filter(|path| !BY_DESIGN.contains(&path.as_str())) {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for which in 0.. {
                let csrf = browser.csrf();
                let request = browser
                    .request(method.clone(), &filled(path))
                    .header("x-csrf-token", &csrf);
                let Some(request) = hostile(request, which) else {
                    break;
                };
                let request = match which % 3 {
                    0 => request
                        .header("content-type", "application/x-www-form-urlencoded")
                        .body(format!("csrf={csrf}&sid=x")),
                    1 => request.header("content-type", "text/plain").body("{}"),
                    _ => request.header("content-type", "application/json").body("{}"),
                };
                let answer = browser.send(request).await;
                assert_eq!(answer.status, 403, "{method} {path}, {which}: {answer:?}");
                assert_eq!(answer.code(), "cross_site_request");
                tried += 1;
            }
        }
    }
    assert_eq!(state(&server), before, "and nothing was changed");
    println!("{tried} requests to {} routes", routes.len());
}

#[tokio::test]
async fn h03_h04_pages_refuse_forms_of_other_sites_from_browsers_without_a_cookie_too() {
    let server = TestServer::start().await;
    let before = state(&server);
    let pages = routes_for_clients();
    let pages = pages
        .iter()
        .filter(|path| !path.starts_with("/v1/") && !BY_DESIGN.contains(&path.as_str()));
    for path in pages {
        for which in 0.. {
            let mut browser = server.visitor();
            let Some(request) = hostile(browser.request(Method::POST, &filled(path)), which) else {
                break;
            };
            let request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body("email=mallory%40example.com&code=12345678");
            let answer = browser.send(request).await;
            assert_eq!(answer.status, 403, "{path}, {which}: {answer:?}");
            assert!(browser.cookies.is_empty());
        }
    }
    assert_eq!(state(&server), before);
}

#[tokio::test]
async fn h03_programs_without_a_cookie_are_not_refused() {
    let server = TestServer::start().await;
    let key = server.key().await;
    for which in 0.. {
        let request = server
            .http
            .post(server.url("/api-key/token"))
            .json(&key.challenge(server.now()));
        let Some(request) = hostile(request, which) else {
            break;
        };
        assert_eq!(request.send().await.unwrap().status(), 200, "{which}");
        server.advance(1);
    }
}

/// Routes without a CSRF token, because they need no session and change no account. This list may
/// only shrink.
const WITHOUT_TOKEN: [&str; 3] = ["/sign-in", "/passkeys/sign-in", "/passkeys/sign-up"];

#[tokio::test]
async fn h03_same_origin_requests_need_the_csrf_token_too() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
    let mut other = server
        .signed_in(&server.account().await, AuthMethod::Passkey)
        .await;
    let wrong = other.csrf();
    let before = state(&server);
    let routes = routes_for_clients();
    let ours = routes.iter().filter(|path| {
        !BY_DESIGN.contains(&path.as_str())
            && ![
                "/v1/auth/api-key/",
                "/v1/auth/token/",
                "/v1/auth/email/",
                "/apple/start",
            ]
            .iter()
            .any(|programs| path.starts_with(programs))
            && !WITHOUT_TOKEN.iter().any(|without| path.starts_with(without))
    });
    for path in ours {
        for method in [Method::POST, Method::PATCH, Method::DELETE] {
            for (token, body) in [("", FORM), ("", JSON), (&*wrong, FORM), (&*wrong, JSON)] {
                let request = request_of_our_page(&browser, &server, &method, path, token, body);
                let answer = browser.send(request).await;
                assert!(
                    [400, 403, 404, 405, 415].contains(&answer.status),
                    "{method} {path}: {answer:?}"
                );
            }
        }
    }
    assert_eq!(state(&server), before, "and nothing was changed");
    assert_eq!(browser.get("/v1/auth/sessions").await.status, 200);
    assert_eq!(other.get("/v1/auth/sessions").await.status, 200);
}

/// Fields of every form, and members of every call.
type Fields = (&'static str, &'static str);
const FORM: Fields = (
    "application/x-www-form-urlencoded",
    "email=x%40example.com&code=12345678&token=x&name=x&label=x&sid=x&credential_id=x&key_id=x&confirm=x",
);
const JSON: Fields = ("application/json", r#"{"label":"x"}"#);

fn request_of_our_page(
    browser: &Visitor<'_>,
    server: &TestServer,
    method: &Method,
    path: &str,
    token: &str,
    (content_type, body): Fields,
) -> RequestBuilder {
    let body = if content_type == FORM.0 {
        format!("csrf={token}&{body}")
    } else {
        body.to_owned()
    };
    browser
        .request(method.clone(), &filled(path))
        .header("origin", &server.origin)
        .header("sec-fetch-site", "same-origin")
        .header("x-csrf-token", token)
        .header("content-type", content_type)
        .body(body)
}

/// Row counts that reveal a change.
fn state(server: &TestServer) -> Vec<Vec<Stored>> {
    let tables = [
        "accounts",
        "api_keys",
        "passkeys",
        "user_sessions",
        "email_codes",
        "ceremonies",
        "recoveries",
    ];
    let counts = tables
        .map(|table| format!("(SELECT count(*) FROM {table})"))
        .join(", ");
    let sql = format!(
        "SELECT {counts}, (SELECT count(*) FROM user_sessions WHERE ended_at IS NULL), (SELECT count(*) FROM audit)"
    );
    rows(server, &sql)
}

#[tokio::test]
async fn h04_a_link_or_code_of_an_attacker_does_not_log_a_victim_in() {
    let server = TestServer::start().await;
    // The attacker starts a login of their own and has its code and link.
    let mut attacker = server.visitor();
    attacker
        .submit("/sign-in", &[("email", "mallory@example.com")])
        .await;
    let mail = server.code_mail("mallory@example.com");
    let token = mail.token.unwrap();
    // The victim opens the link: the page does not log in and has no form for it.
    let mut victim = server.visitor();
    let page = victim.get("/sign-in/link").await;
    page.assert_hides("mallory@example.com");
    page.assert_hides("name=\"token\"");
    for (path, fields) in [
        ("/sign-in/link", [("token", token.as_str()), ("csrf", "")]),
        (
            "/sign-in/code",
            [("code", mail.code.as_str()), ("email", "mallory@example.com")],
        ),
    ] {
        let answer = victim.submit(path, &fields).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(!victim.cookies.contains_key("sid"));
    }
    // In the browser that started the login, the page names the account before it logs in.
    attacker
        .get("/sign-in/link")
        .await
        .assert_shows("mallory@example.com");
}

#[tokio::test]
async fn h07_scripts_of_other_origins_cannot_read_pages() {
    let server = TestServer::start().await;
    let browser = server
        .signed_in(&server.account().await, AuthMethod::Passkey)
        .await;
    let public_paths = ["/.well-known/jwks.json", "/revocations"];
    for path in routes() {
        if public_paths.iter().any(|public| path.ends_with(public)) {
            continue;
        }
        for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
            for method in [Method::GET, Method::OPTIONS] {
                let request = browser
                    .request(method.clone(), &filled(&path))
                    .header("origin", origin)
                    .header("access-control-request-method", "POST")
                    .header("access-control-request-headers", "x-csrf-token, content-type");
                let answer = request.send().await.unwrap();
                let allowed = answer
                    .headers()
                    .keys()
                    .find(|name| name.as_str().starts_with("access-control-"));
                assert_eq!(allowed, None, "{method} {path} for {origin}");
            }
        }
    }
}

#[tokio::test]
async fn h09_pages_answer_405_to_other_methods_and_404_to_unknown_paths() {
    let server = TestServer::start().await;
    let browser = server
        .signed_in(&server.account().await, AuthMethod::Passkey)
        .await;
    for (method, path, status) in [
        ("TRACE", "/security", 405),
        ("TRACE", "/sign-out", 405),
        ("PROPFIND", "/security", 405),
        ("BREW", "/sign-in", 405),
        ("PUT", "/security/delete", 405),
        ("DELETE", "/sign-out", 405),
        ("GET", "/sign-out", 405),
        ("GET", "/security/sessions/end", 405),
        ("GET", "/.git/config", 404),
        ("GET", "/.env", 404),
        ("GET", "//security", 404),
        ("GET", "/security/", 404),
        ("GET", "/security%2Fdelete", 404),
        ("GET", "/static/x/..%2f..%2fCargo.toml", 404),
        ("GET", "/templates/base.html", 404),
        ("GET", "/Security", 404),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = browser
            .request(method.clone(), path)
            .header("origin", &server.origin);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("[package]") && !text.contains("root:"), "{path}");
    }
    // Clients normalize such paths, so the test sends them over a raw socket.
    for path in [
        "/../security",
        "/x/../security",
        "/./security",
        "/%2e%2e/security",
        "/static/../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
    ] {
        let answer = raw(&server, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

async fn raw(server: &TestServer, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = server.origin.strip_prefix("http://").unwrap();
    let address = host.replace("localhost", "127.0.0.1");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
