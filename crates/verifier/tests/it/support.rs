//! Test support: an issuer with a verifier and a protected service, scripted documents, recorded
//! metrics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use serde_json::Value;
use tm_auth_proto::{AccessClaims, Environment};
use tm_auth_verifier::testing::TestIssuer;
use tm_auth_verifier::{
    Algorithm, BearerLayer, Fetch, FetchError, FetchFuture, FetchRequest, Fetched, InvalidToken, Verifier,
    VerifyError,
};
use tower::ServiceExt;

pub(crate) const AUDIENCE: &str = "https://api.test";

/// The body of every 401 about a token. The tests set the request id.
pub(crate) const UNIFORM_BODY: &str = r#"{"type":"unauthenticated","code":"invalid_token","message":"The bearer token is not valid here.","request_id":"r-1","retryable":false}"#;

pub(crate) struct Fixture {
    pub(crate) issuer: TestIssuer,
    pub(crate) verifier: Verifier,
    pub(crate) app: Router,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(Algorithm::ES256).await
    }

    pub(crate) async fn with(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::with_algorithm(Environment::Uat, algorithm);
        let verifier = issuer.verifier(AUDIENCE).build().unwrap();
        verifier.refresh().await.unwrap();
        let app = guarded(&verifier);
        Self {
            issuer,
            verifier,
            app,
        }
    }

    pub(crate) fn claims(&self) -> AccessClaims {
        self.issuer.claims(AUDIENCE)
    }

    /// A valid token.
    pub(crate) fn good(&self) -> String {
        self.issuer.sign(&self.claims())
    }

    pub(crate) fn header(&self) -> Value {
        self.issuer.header("at+jwt")
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(&self.claims()).unwrap()
    }

    /// Asserts that the verifier and the layer accept the token.
    pub(crate) async fn accepts(&self, token: &str) {
        self.verifier.verify(token).await.unwrap();
        assert_eq!(send(&self.app, token).await.status(), 200);
    }

    /// Asserts that the verifier refuses the token for this reason, and that the response of the
    /// layer does not reveal it.
    pub(crate) async fn refuses(&self, token: &str, expected: InvalidToken) {
        let error = self.verifier.verify(token).await.unwrap_err();
        assert_eq!(error, VerifyError::InvalidToken(expected), "{token:.200}");
        // Skip the layer if the token cannot be a header value.
        if axum::http::HeaderValue::from_str(token).is_ok() {
            assert_uniform(send(&self.app, token).await).await;
        }
    }
}

/// A protected service that responds with the caller's `uid`.
pub(crate) fn guarded(verifier: &Verifier) -> Router {
    let uid = |Extension(claims): Extension<AccessClaims>| async move { claims.uid.to_string() };
    Router::new()
        .route("/", get(uid))
        .layer(BearerLayer::new(verifier.clone()))
}

pub(crate) async fn send(app: &Router, token: &str) -> Response {
    let request = Request::get("/")
        .header("authorization", format!("Bearer {token}"))
        .header("x-request-id", "r-1");
    app.clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap()
}

/// Asserts that the response is the same as for every other refused token, headers included.
pub(crate) async fn assert_uniform(response: Response) {
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer error="invalid_token""#
    );
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-request-id"], "r-1");
    assert_eq!(response.headers().len(), 5, "{:?}", response.headers());
    assert_eq!(text(response).await, UNIFORM_BODY);
}

pub(crate) async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asserts that a refresh fails with this error. `FetchError` has no `==`, because it may contain
/// an error of the HTTP client.
pub(crate) async fn assert_refresh_fails(verifier: &Verifier, expected: &FetchError, case: &str) {
    let error = verifier.refresh().await.unwrap_err();
    assert_eq!(format!("{error:?}"), format!("{expected:?}"), "{case}");
}

pub(crate) fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// Encodes these three parts and joins them to a token.
pub(crate) fn token(header: &str, payload: impl AsRef<[u8]>, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}.{}", encode(header), encode(payload), encode(signature))
}

/// Lets the other tasks run until the condition holds. Panics after 10,000 rounds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the condition did not become true");
}

/// The claims as JSON, with one claim replaced by the text `raw`, or removed if it is `None`.
pub(crate) fn with_claim(claims: &AccessClaims, name: &str, raw: Option<&str>) -> Vec<u8> {
    let mut object = serde_json::to_value(claims).unwrap();
    let object = object.as_object_mut().unwrap();
    object.remove(name);
    let mut text = serde_json::to_string(object).unwrap();
    if let Some(raw) = raw {
        text.pop();
        text = format!("{text},\"{name}\":{raw}}}");
    }
    text.into_bytes()
}

/// A [`Fetch`] whose documents come from a closure, which takes the URL and the ETag.
pub(crate) struct Scripted<F>(pub(crate) F);

impl<F> Fetch for Scripted<F>
where
    F: Fn(&str, Option<&str>) -> Result<Fetched, FetchError> + Send + Sync + 'static,
{
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        let answer = (self.0)(request.url, request.etag);
        Box::pin(async move { answer })
    }
}

pub(crate) fn document(body: impl Into<Vec<u8>>) -> Fetched {
    Fetched::Document {
        body: body.into(),
        etag: None,
        max_age: None,
    }
}

/// Records counters and gauges by `name{value,value}`, with the values of the labels.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

impl Metrics {
    /// Returns the value of a counter, 0 if it was never incremented.
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .map_or(0, |value| value.load(Ordering::Relaxed))
    }

    /// Returns the value of a gauge, `None` if it was never set.
    pub(crate) fn gauge(&self, name: &str) -> Option<f64> {
        let values = self.0.lock().unwrap();
        values
            .get(name)
            .map(|value| f64::from_bits(value.load(Ordering::Relaxed)))
    }

    fn cell(&self, key: &metrics::Key) -> Arc<AtomicU64> {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }
}

impl metrics::Recorder for Metrics {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}
