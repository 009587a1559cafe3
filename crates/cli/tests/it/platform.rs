//! One origin as a client of the platform sees it: the auth service under `/v1/auth`, and a stand-in for the
//! Gateway and the DeFi service that lets in what the verifier lets in.
//!
//! 1. `/v1/auth/*` goes on, unchanged, to the auth service.
//! 2. `/v1/conductor/*` and `/v1/defi/core/*` are guarded by `BearerLayer`, as those services are.
//! 3. `POST /test/learn` makes the guard read keys and revocation list now instead of at its next poll.
//! 4. `POST /test/hour` turns the clock of everybody, where the test gave one to turn.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Json, Router};
use serde_json::json;
use tm_auth_proto::AccessClaims;
use tm_auth_verifier::{BearerLayer, Verifier};
use tokio::net::TcpListener;

/// Longer than any body of these tests.
const MAX_BODY: usize = 64 * 1024;

/// What an hour passing does.
pub(crate) type Hour = Arc<dyn Fn() + Send + Sync>;

/// Which node served each call to the auth service, where a load balancer says so.
pub(crate) type Served = Arc<Mutex<Vec<String>>>;

/// Waits until every node says the same.
pub(crate) type Agree = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Where the auth service is several nodes.
#[derive(Clone)]
pub(crate) struct Nodes {
    pub(crate) served: Served,
    /// Before the guard learns.
    pub(crate) agree: Agree,
}

#[derive(Clone)]
struct Auth {
    origin: Arc<str>,
    served: Served,
}

/// Starts it and gives its origin. It ends with the test's runtime.
pub(crate) async fn start(auth_origin: &str, verifier: Verifier, hour: Hour) -> String {
    let one = Nodes {
        served: Served::default(),
        agree: Arc::new(|| Box::pin(async {})),
    };
    start_before(auth_origin, one, verifier, hour).await
}

/// As [`start`], before several nodes.
pub(crate) async fn start_before(auth_origin: &str, nodes: Nodes, verifier: Verifier, hour: Hour) -> String {
    let auth = Auth {
        origin: Arc::from(auth_origin),
        served: nodes.served,
    };
    let guarded = Router::new()
        .route("/v1/conductor/balances", get(balances))
        .route("/v1/defi/core/profile/me", get(profile))
        .layer(BearerLayer::new(verifier.clone()));
    let router = Router::new()
        .route("/v1/auth/{*path}", any(forward))
        .with_state(auth)
        .merge(guarded)
        .route(
            "/test/learn",
            post(async move || {
                (nodes.agree)().await;
                match verifier.refresh().await {
                    Ok(()) => StatusCode::NO_CONTENT,
                    Err(_) => StatusCode::BAD_GATEWAY,
                }
            }),
        )
        .route(
            "/test/hour",
            post(async move || {
                hour();
                StatusCode::NO_CONTENT
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("its address"));
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
    let answer = reqwest::Client::new()
        .request(parts.method, format!("{}{path}", auth.origin))
        .headers(headers)
        .body(body)
        .send()
        .await
        .map_err(|_| StatusCode::BAD_GATEWAY)?;
    if let Some(node) = answer.headers().get("x-served-by") {
        let node = String::from_utf8_lossy(node.as_bytes()).into_owned();
        auth.served
            .lock()
            .expect("nothing panics while holding it")
            .push(node);
    }
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        headers.extend(answer.headers().clone());
        // Belongs to the connection behind; the one in front decides for itself.
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONNECTION);
    }
    let body = answer.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    response
        .body(Body::from(body))
        .map_err(|_| StatusCode::BAD_GATEWAY)
}
