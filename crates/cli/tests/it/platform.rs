//! A stand-in for the platform at one origin: the auth service, the Gateway and the DeFi service.
//!
//! 1. `/v1/auth/*` is forwarded to the auth service with its body and the request headers that the
//!    SDK needs.
//! 2. `/v1/conductor/*` and `/v1/defi/core/*` are protected by `BearerLayer`, like those services.
//! 3. `POST /test/refresh-verifier` makes the verifier fetch the keys and the revocation list now
//!    instead of at its next poll.
//! 4. `POST /test/advance/{milliseconds}` advances the clocks, if the test passed a way to do so.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Json, Router};
use jiff::SignedDuration;
use serde_json::json;
use tm_auth_proto::AccessClaims;
use tm_auth_verifier::{BearerLayer, Verifier};
use tokio::net::TcpListener;

/// The maximum length of a body, in bytes. The bodies of these tests are shorter.
const MAX_BODY: usize = 64 * 1024;

/// Advances the clocks of the test.
pub(crate) type Advance = Arc<dyn Fn(SignedDuration) + Send + Sync>;

/// The nodes that served the calls to the auth service, in order, if a load balancer names them.
pub(crate) type ServedBy = Arc<Mutex<Vec<String>>>;

/// Waits until every node lists the latest revocation.
pub(crate) type WaitUntilAgreed = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What the stand-in needs if the auth service has several nodes.
#[derive(Clone)]
pub(crate) struct Nodes {
    pub(crate) served_by: ServedBy,
    /// Runs before the verifier refreshes.
    pub(crate) wait_until_agreed: WaitUntilAgreed,
}

#[derive(Clone)]
struct Auth {
    origin: Arc<str>,
    served_by: ServedBy,
}

/// Starts the stand-in and returns its origin. It ends with the test's runtime.
pub(crate) async fn start(auth_origin: &str, verifier: Verifier, advance: Advance) -> String {
    let single_node = Nodes {
        served_by: ServedBy::default(),
        wait_until_agreed: Arc::new(|| Box::pin(async {})),
    };
    start_with_nodes(auth_origin, single_node, verifier, advance).await
}

/// Like [`start`], in front of several nodes.
pub(crate) async fn start_with_nodes(
    auth_origin: &str,
    nodes: Nodes,
    verifier: Verifier,
    advance: Advance,
) -> String {
    let auth = Auth {
        origin: Arc::from(auth_origin),
        served_by: nodes.served_by,
    };
    let protected = Router::new()
        .route("/v1/conductor/balances", get(balances))
        .route("/v1/defi/core/profile/me", get(profile))
        .layer(BearerLayer::new(verifier.clone()));
    let router = Router::new()
        .route("/v1/auth/{*path}", any(forward))
        .with_state(auth)
        .merge(protected)
        .route(
            "/test/refresh-verifier",
            post(async move || {
                (nodes.wait_until_agreed)().await;
                match verifier.refresh().await {
                    Ok(()) => StatusCode::NO_CONTENT,
                    Err(_) => StatusCode::BAD_GATEWAY,
                }
            }),
        )
        .route(
            "/test/advance/{milliseconds}",
            post(async move |Path(milliseconds): Path<i64>| {
                advance(SignedDuration::from_millis(milliseconds));
                StatusCode::NO_CONTENT
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let origin = format!(
        "http://{}",
        listener.local_addr().expect("the listener has an address")
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

async fn balances() -> Response {
    Json(json!({ "balances": [{ "asset_name": "USD", "asset_id": "usd", "balance": "100.00" }] }))
        .into_response()
}

async fn profile(Extension(claims): Extension<AccessClaims>) -> Response {
    Json(json!({ "id": claims.uid, "email": claims.sub, "wallets": [] })).into_response()
}

/// Forwards a request to the auth service. Records the node that HAProxy names in the response.
async fn forward(State(auth): State<Auth>, request: Request) -> Result<Response, StatusCode> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let body = to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let mut headers = HeaderMap::new();
    for name in [
        header::CONTENT_TYPE,
        header::AUTHORIZATION,
        header::ACCEPT,
        header::USER_AGENT,
    ] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let upstream = reqwest::Client::new()
        .request(parts.method, format!("{}{path}", auth.origin))
        .headers(headers)
        .body(body)
        .send()
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    if let Some(node) = upstream.headers().get("x-served-by") {
        let node = String::from_utf8_lossy(node.as_bytes()).into_owned();
        auth.served_by
            .lock()
            .expect("nothing panics while holding it")
            .push(node);
    }
    let mut response = Response::builder().status(upstream.status());
    if let Some(headers) = response.headers_mut() {
        headers.extend(upstream.headers().clone());
        // These headers belong to the connection to the auth service.
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONNECTION);
    }
    let body = upstream.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    response
        .body(Body::from(body))
        .map_err(|_| StatusCode::BAD_GATEWAY)
}
