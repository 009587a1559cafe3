//! The HTTP behaviour of the layer and the extractor.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, http::HeaderValue};
use http_body_util::Full;
use tm_auth_proto::{AccessClaims, Environment, Scope};
use tm_auth_verifier::testing::TestIssuer;
use tm_auth_verifier::{BearerError, BearerLayer, Caller, InvalidToken, Rejection, Verifier};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{AUDIENCE, Fixture, UNIFORM_BODY, assert_uniform, send, text};

async fn request(app: &Router, headers: &[(&str, &str)]) -> Response {
    request_at(app, "/", headers).await
}

async fn request_at(app: &Router, uri: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(uri).body(Body::empty()).unwrap();
    for (name, value) in headers {
        let name: axum::http::HeaderName = name.parse().unwrap();
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    app.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn the_claims_of_a_valid_token_reach_the_service() {
    let fixture = Fixture::new().await;
    let claims = fixture.claims();
    let response = send(&fixture.app, &fixture.issuer.sign(&claims)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, claims.uid.to_string());
}

#[tokio::test]
async fn the_scheme_is_case_insensitive() {
    let fixture = Fixture::new().await;
    let token = fixture.good();
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR   "] {
        let response = request(&fixture.app, &[("authorization", &format!("{scheme}{token}"))]).await;
        assert_eq!(response.status(), 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_token_is_taken_from_the_authorization_header_only() {
    let fixture = Fixture::new().await;
    let token = fixture.good();
    let missing = [
        request_at(&fixture.app, &format!("/?access_token={token}"), &[]).await,
        request_at(&fixture.app, &format!("/?token={token}"), &[]).await,
        request(&fixture.app, &[("cookie", &format!("access_token={token}"))]).await,
        request(&fixture.app, &[("x-access-token", &token)]).await,
        request(
            &fixture.app,
            &[("proxy-authorization", &format!("Bearer {token}"))],
        )
        .await,
        request(&fixture.app, &[("authorization", &format!("Basic {token}"))]).await,
        request(&fixture.app, &[("authorization", &token)]).await,
        request(&fixture.app, &[("authorization", &format!("Bearer\t{token}"))]).await,
        request(&fixture.app, &[("authorization", &format!("DPoP {token}"))]).await,
        request(&fixture.app, &[("authorization", "")]).await,
    ];
    for response in missing {
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let body = text(response).await;
        assert!(body.contains(r#""code":"missing_token""#), "{body}");
    }
}

#[tokio::test]
async fn a_repeated_or_malformed_header_is_refused() {
    let fixture = Fixture::new().await;
    let bearer = format!("Bearer {}", fixture.good());
    let id = ("x-request-id", "r-1");
    let twice: [&[(&str, &str)]; 5] = [
        &[id, ("authorization", &bearer), ("authorization", &bearer)],
        &[id, ("authorization", &bearer), ("authorization", "Basic x")],
        &[id, ("authorization", "Basic x"), ("authorization", &bearer)],
        &[id, ("authorization", "Bearer \u{e9}")],
        &[id, ("authorization", "Bearer")],
    ];
    for headers in twice {
        assert_uniform(request(&fixture.app, headers).await).await;
    }
}

#[tokio::test]
async fn a_missing_scope_is_403_and_named() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = issuer.verifier(AUDIENCE).build().unwrap();
    let layer = BearerLayer::new(verifier)
        .require(Scope::Transfer)
        .require(Scope::Read);
    let app: Router = Router::new().route("/", get(|| async {})).layer(layer);
    let with = |scope: &str| {
        let mut claims = issuer.claims(AUDIENCE);
        claims.scope = scope.to_owned();
        issuer.sign(&claims)
    };
    for scope in ["", "read", "transfer", "trade", "readtransfer", "READ TRANSFER"] {
        let response = send(&app, &with(scope)).await;
        assert_eq!(response.status(), 403, "{scope}");
        let challenge = r#"Bearer error="insufficient_scope", scope="read transfer""#;
        assert_eq!(response.headers()["www-authenticate"], challenge);
        let body = text(response).await;
        assert!(
            body.contains(r#""type":"permission_denied","code":"insufficient_scope""#),
            "{body}"
        );
    }
    for scope in ["read transfer", "transfer trade read", "read admin transfer"] {
        assert_eq!(send(&app, &with(scope)).await.status(), 200, "{scope}");
    }
    // An unauthenticated caller does not learn which scopes are required.
    assert_uniform(send(&app, "x").await).await;
}

#[tokio::test]
async fn the_callers_request_id_is_used_if_it_is_safe() {
    let fixture = Fixture::new().await;
    let longest = "a".repeat(64);
    for safe in ["r-1", "A_b.9", &longest] {
        let response = request(&fixture.app, &[("x-request-id", safe)]).await;
        assert_eq!(response.headers()["x-request-id"], safe);
        assert!(
            text(response)
                .await
                .contains(&format!(r#""request_id":"{safe}""#))
        );
    }
    let too_long = "a".repeat(65);
    for other in ["", " ", "a b", "a\"b", "<a>", "a\u{e9}", &too_long] {
        let response = request(&fixture.app, &[("x-request-id", other)]).await;
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
        assert!(text(response).await.contains(&id));
    }
    let [one, two] = [request(&fixture.app, &[]).await, request(&fixture.app, &[]).await];
    assert_ne!(one.headers()["x-request-id"], two.headers()["x-request-id"]);
}

#[derive(Clone)]
struct State(Verifier);

impl axum::extract::FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

#[tokio::test]
async fn the_extractor_uses_the_layers_claims_or_verifies_by_itself() {
    async fn handler(caller: Caller) -> Result<String, Rejection> {
        caller.require(Scope::Trade)?;
        Ok(caller.claims.uid.to_string())
    }
    let fixture = Fixture::new().await;
    let bare = Router::new().route("/", get(handler));
    let behind_layer = bare.clone().layer(BearerLayer::new(fixture.verifier.clone()));
    // The verifier in the state has another audience and would refuse. With the layer it is not
    // used.
    let other = fixture.issuer.verifier("https://other.test").build().unwrap();
    let bare = bare.with_state(State(fixture.verifier.clone()));
    let behind_layer = behind_layer.with_state(State(other));

    let claims = fixture.claims();
    let mut reader = fixture.claims();
    reader.scope = "read".to_owned();
    for app in [bare, behind_layer] {
        let response = send(&app, &fixture.issuer.sign(&claims)).await;
        assert_eq!(text(response).await, claims.uid.to_string());
        let response = send(&app, &fixture.issuer.sign(&reader)).await;
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["x-request-id"], "r-1");
        assert!(text(response).await.contains(r#""request_id":"r-1""#));
        assert_uniform(send(&app, "x").await).await;
        let response = request(&app, &[]).await;
        assert!(text(response).await.contains("missing_token"));
    }
}

#[tokio::test]
async fn a_rejection_tells_the_handler_the_reason() {
    async fn handler(caller: Result<Caller, Rejection>) -> String {
        caller.map_or_else(
            |rejection| format!("{:?}", rejection.error()),
            |_| "in".to_owned(),
        )
    }
    let fixture = Fixture::new().await;
    let app = Router::new()
        .route("/", get(handler))
        .with_state(State(fixture.verifier.clone()));
    let mut late = fixture.claims();
    late.exp = late.iat - 60;
    let response = send(&app, &fixture.issuer.sign(&late)).await;
    assert_eq!(
        text(response).await,
        format!("{:?}", BearerError::InvalidToken(InvalidToken::Expired))
    );
}

#[tokio::test]
async fn the_layer_works_with_any_tower_service() {
    let fixture = Fixture::new().await;
    let inner = service_fn(|request: axum::http::Request<()>| async move {
        let claims = request.extensions().get::<AccessClaims>().unwrap();
        let body = Full::<axum::body::Bytes>::from(claims.uid.to_string());
        Ok::<_, Infallible>(axum::http::Response::new(body))
    });
    let service = BearerLayer::new(fixture.verifier.clone()).layer(inner);
    let request = |token: &str| {
        let request = axum::http::Request::get("/").header("x-request-id", "r-1");
        request
            .header("authorization", format!("Bearer {token}"))
            .body(())
            .unwrap()
    };
    let response = service.clone().oneshot(request(&fixture.good())).await.unwrap();
    assert_eq!(response.status(), 200);
    let response = service.oneshot(request("x")).await.unwrap();
    assert_eq!(text(response.map(Body::new)).await, UNIFORM_BODY);
}

/// A service that is never ready.
#[derive(Clone)]
struct Broken;

impl Service<axum::http::Request<()>> for Broken {
    type Response = axum::http::Response<String>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Err("broken"))
    }

    fn call(&mut self, _: axum::http::Request<()>) -> Self::Future {
        std::future::ready(Err("called"))
    }
}

#[tokio::test]
async fn the_layer_is_ready_only_if_its_service_is() {
    let fixture = Fixture::new().await;
    let service = BearerLayer::new(fixture.verifier.clone()).layer(Broken);
    let request = axum::http::Request::get("/").body(()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap_err(), "broken");
}
