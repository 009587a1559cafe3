//! Scripts of other origins may read only the public documents.

use reqwest::Method;

use crate::support::{Answer, TestServer};

const ORIGINS: [&str; 4] = [
    "https://evil.example",
    "null",
    "http://localhost.evil.example",
    "https://app.truemarkets.co",
];

#[tokio::test]
async fn h07_other_origins_read_public_documents_only() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    for origin in ORIGINS {
        for (method, path) in [
            (Method::GET, "/health"),
            (Method::GET, "/api-key"),
            (Method::GET, "/api-keys"),
            (Method::POST, "/api-key/token"),
            (Method::POST, "/token/refresh"),
            (Method::GET, "/nothing"),
            (Method::OPTIONS, "/api-key/token"),
            (Method::OPTIONS, "/api-keys"),
        ] {
            let request = server
                .http
                .request(method.clone(), server.url(path))
                .header("origin", origin);
            let request = request
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization, content-type")
                .bearer_auth(&tokens.access_token);
            let answer = Answer::of(request.send().await.unwrap()).await;
            let cors = answer
                .headers
                .keys()
                .find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(cors, None, "{method} {path}: {answer:?}");
            if method == Method::OPTIONS {
                answer.assert_error(405, "method_not_allowed");
            }
        }
        for url in [
            server.url("/.well-known/jwks.json"),
            format!("{}/.well-known/jwks.json", server.origin),
            server.url("/revocations"),
        ] {
            let request = server.http.get(&url).header("origin", origin);
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(
                (answer.status, answer.header("access-control-allow-origin")),
                (200, "*"),
                "{url}"
            );
            // With this header, scripts of other origins could use the user's cookies.
            assert_eq!(answer.header("access-control-allow-credentials"), "");
        }
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_of_an_api() {
    let server = TestServer::start().await;
    for path in [
        "/health",
        "/.well-known/jwks.json",
        "/revocations",
        "/nothing",
        "/api-keys",
        "/api-key/token",
    ] {
        let answer = server.get(path).await;
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("server", ""),
            ("x-powered-by", ""),
            ("set-cookie", ""),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
        let id: uuid::Uuid = answer.header("x-request-id").parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
    }
}

#[tokio::test]
async fn h09_unknown_paths_and_methods_get_different_errors() {
    let server = TestServer::start().await;
    for path in [
        "",
        "/",
        "/.git/config",
        "//health",
        "/health/",
        "/api-key/token/x",
        "/%2e%2e/health",
        "/api%2Dkeys%2Fx",
    ] {
        server.get(path).await.assert_error(404, "not_found");
    }
    for (method, path, allowed) in [
        ("GET", "/api-key/token", "POST"),
        ("PUT", "/token/refresh", "POST"),
        ("DELETE", "/health", "GET,HEAD"),
        ("TRACE", "/api-key", "GET,HEAD"),
        ("PROPFIND", "/revocations", "GET,HEAD"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = Answer::of(
            server
                .http
                .request(method, server.url(path))
                .send()
                .await
                .unwrap(),
        )
        .await;
        answer.assert_error(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allowed);
    }
}

#[tokio::test]
async fn r24_a_wrong_path_gets_404_and_the_nearest_path() {
    let server = TestServer::start().await;
    let id = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
    for (method, path, nearest) in [
        ("POST", "//v1/auth/api-key/token", "POST /v1/auth/api-key/token"),
        ("POST", "/v1/auht/api-key/token", "POST /v1/auth/api-key/token"),
        // A proxy that removes the prefix, or doubles it.
        ("POST", "/api-key/token", "POST /v1/auth/api-key/token"),
        (
            "POST",
            "/v1/auth/v1/auth/token/refresh",
            "POST /v1/auth/token/refresh",
        ),
        ("POST", "/token/refresh/", "POST /v1/auth/token/refresh"),
        (
            "DELETE",
            &format!("/v1/api-keys/{id}"),
            "DELETE /v1/auth/api-keys/{key_id}",
        ),
        // The path exists with another method.
        ("PUT", "/token/revoke", "POST /v1/auth/token/revoke"),
        ("GET", "//v1/auth/api-key/token", "POST /v1/auth/api-key/token"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        // Without `Origin` and `Sec-Fetch-Site`, as programs send it; and as another site does.
        for site in [None, Some("cross-site")] {
            let mut request = server
                .http
                .request(method.clone(), format!("{}{path}", server.origin))
                .json(&serde_json::json!({}));
            if let Some(site) = site {
                request = request.header("sec-fetch-site", site);
            }
            let answer = Answer::of(request.send().await.unwrap()).await;
            answer.assert_error(404, "not_found");
            let message = answer.body["message"].as_str().unwrap().to_owned();
            assert!(
                message.contains(&format!("the nearest is {nearest}.")),
                "{path}: {message}"
            );
        }
    }
    let far = Answer::of(
        server
            .http
            .post(format!("{}/wp-login.php", server.origin))
            .send()
            .await
            .unwrap(),
    )
    .await;
    far.assert_error(404, "not_found");
    assert!(!far.body["message"].as_str().unwrap().contains("nearest"));
}

#[tokio::test]
async fn e15_token_introspection_is_not_offered() {
    let server = TestServer::start().await;
    for path in ["/introspect", "/token/introspect", "/oauth2/introspect"] {
        let body = serde_json::json!({ "token": "a.b.c" });
        server.post(path, &body).await.assert_error(404, "not_found");
    }
}
