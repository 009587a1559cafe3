//! Common parts of the pages: headers, error pages, static files.

use tm_auth_store::faults::Fault;

use super::support::TestServer;

/// The `Content-Security-Policy` of every page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

#[tokio::test]
async fn h05_h06_h08_h10_every_page_and_error_page_has_strict_headers_and_is_not_stored() {
    let server = TestServer::start().await;
    let browser = server.browser(&server.account().await).await;
    for (path, status) in [
        ("/api-keys", 200),
        ("/api-keys/new", 200),
        ("/activity", 200),
        ("/nowhere", 404),
        ("/api-keys/nowhere", 404),
        ("/api-keys/new/proof", 405),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("content-security-policy"), POLICY, "{path}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            (
                "permissions-policy",
                "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), microphone=(), geolocation=()",
            ),
            ("cache-control", "no-store"),
            ("server", ""),
        ] {
            assert_eq!(page.header(name), value, "{path}: {name}");
        }
        for inline in ["<style", "style=\"", "onclick", "javascript:"] {
            page.assert_hides(inline);
        }
    }
}

#[tokio::test]
async fn h06_the_api_answers_with_json() {
    let server = TestServer::start().await;
    let answer = server.get("/nowhere").await;
    answer.assert_error(404, "not_found");
    let page = server.page("/v1/auth/nowhere").await;
    assert_eq!(page.header("content-type"), "application/json");
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'"
    );
}

#[tokio::test]
async fn a_page_without_a_login_redirects_to_the_login_and_back() {
    let server = TestServer::start().await;
    let page = server.page("/api-keys?page=2&x=%26").await;
    assert_eq!(page.location(), "/sign-in?next=/api-keys%3Fpage%3D2%26x%3D%2526");
}

#[tokio::test]
async fn h08_the_url_of_a_static_file_never_changes_its_content() {
    let server = TestServer::start().await;
    let page = server.page("/nowhere").await;
    let begin = page.text.find("/static/").unwrap();
    let path = page.text[begin..].split('"').next().unwrap();
    let style = server.page(path).await;
    assert_eq!(style.status, 200);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(
        style.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(style.header("x-content-type-options"), "nosniff");
    assert!(style.text.contains("prefers-color-scheme: dark"));
    // The URL of another version never has this version's content.
    let version = path.split('/').nth(2).unwrap();
    assert_eq!(server.page(&path.replace(version, "0")).await.status, 404);
}

#[tokio::test]
async fn h06_h08_a_server_error_is_a_page_without_its_cause() {
    let server = TestServer::start().await;
    let faults = server.store.faults();
    let browser = server.browser(&server.account().await).await;
    faults.set(Fault::Fail);
    let page = browser.get("/api-keys").await;
    assert_eq!(page.status, 503);
    assert_eq!(page.header("content-security-policy"), POLICY);
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("retry-after"), "1");
    page.assert_shows("The service has a problem")
        .assert_shows(page.header("x-request-id"))
        .assert_hides("injected");
    faults.set(Fault::None);
    assert_eq!(browser.get("/api-keys").await.status, 200);
}

#[tokio::test]
async fn h03_a_form_is_accepted_only_if_the_browser_says_it_is_same_origin() {
    let server = TestServer::start().await;
    let browser = server.browser(&server.account().await).await;
    let ours = server.origin.as_str();
    for (origin, site, status) in [
        // What Chromium and Firefox send under this service's referrer policy, and without it.
        (Some("null"), Some("same-origin"), 303),
        (Some(ours), Some("same-origin"), 303),
        (None, Some("same-origin"), 303),
        // A browser without Fetch Metadata.
        (Some(ours), None, 303),
        (Some("null"), None, 403),
        (None, None, 403),
        (Some("null"), Some("cross-site"), 403),
        (Some("null"), Some("same-site"), 403),
        (Some("null"), Some("none"), 403),
        (Some(ours), Some("cross-site"), 403),
        (Some("https://evil.example"), Some("same-origin"), 403),
        (Some("https://evil.example"), None, 403),
    ] {
        let key = server.key_of(&browser.account).await;
        let url = format!("{ours}/api-keys/{}/disable", key.id());
        let mut request = server
            .http
            .post(url)
            .header("cookie", &browser.cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("csrf={}", browser.csrf));
        for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.unwrap().status();
        assert_eq!(answer, status, "{origin:?} {site:?}");
        let disabled = server
            .store
            .api_key(key.id())
            .await
            .unwrap()
            .unwrap()
            .lifecycle
            .disabled_at();
        assert_eq!(disabled.is_some(), status == 303);
    }
}

/// Forms at another origin are refused, and passkeys do not work for an IP address.
#[tokio::test]
async fn a_page_at_a_loopback_address_redirects_to_the_host_name() {
    let server = TestServer::start().await;
    let number = server.origin.replace("localhost", "127.0.0.1");
    let ask = async |url: String, accept: &str| {
        let request = server.http.get(url).header("accept", accept);
        let answer = request.send().await.unwrap();
        let location = answer.headers().get("location");
        (
            answer.status().as_u16(),
            location.map(|to| to.to_str().unwrap().to_owned()),
        )
    };
    let path = "/sign-in?next=/security";
    let led = ask(format!("{number}{path}"), "text/html").await;
    assert_eq!(led, (307, Some(format!("{}{path}", server.origin))));
    assert_eq!(
        ask(format!("{}{path}", server.origin), "text/html").await,
        (200, None)
    );
    // The API answers at any host name, and a foreign host name is not redirected.
    let health = format!("{number}/v1/auth/health");
    assert_eq!(ask(health, "text/html").await, (200, None));
    let foreign = server
        .http
        .get(format!("{number}{path}"))
        .header("host", "evil.example");
    let answer = foreign.header("accept", "text/html").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}
