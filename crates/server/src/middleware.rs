//! What every request passes, whatever its route.
//!
//! 1. Determine the request's id, client address and time.
//! 2. Charge the request to the client's network.
//! 3. Refuse a cross-site request, or redirect a page to the canonical URL.
//! 4. Run the handler under a deadline. A panic becomes a 500.
//! 5. Write the body of an error, the common headers, the metrics and one line of the log.
//! 6. Pause before the answer leaves, if the client's network does not stop after refusals.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue};
use tm_auth_listener::{PeerAddress, within};
use tm_auth_proto::ErrorCode;
use tracing::Instrument;

use crate::app::App;
use crate::error::ApiError;
use crate::http::client_address::client_address;
use crate::http::context::Context;
use crate::http::same_origin;
use crate::pages::{canonical, problem};
use crate::random;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) async fn handle(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = std::time::Instant::now();
    let context = context(&app, &request);
    let method = request.method().clone();
    // The matched route, not the path: clients choose paths, and each would be another label.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", |path| path.as_str())
        .to_owned();
    request.extensions_mut().insert(context.clone());
    let client = problem::HtmlClient::of(&method, request.uri(), request.headers());

    let admitted = app.limits.may_request(&context, &method, &route);
    let ours = same_origin::check(
        &app.config.public_url,
        &method,
        request.uri().path(),
        request.headers(),
    );
    let elsewhere = client
        .as_ref()
        .and_then(|_| canonical::redirect(&app, &method, request.uri(), request.headers()));
    // Every line that any crate logs while this request is handled has its id. The span has the
    // highest level, because a filter that hides the span hides the id.
    let span = tracing::error_span!("request", request_id = context.request_id);
    let answer = AssertUnwindSafe(async {
        match (admitted.and(ours), elsewhere) {
            (Ok(()), None) => next.run(request).instrument(span).await,
            (Ok(()), Some(redirect)) => redirect,
            (Err(error), _) => error.into_response(),
        }
    });
    let response = match within(app.config.limits.request, catch_panic(answer)).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => ApiError::internal(panic).into_response(),
        Err(overdue) => ApiError::from(overdue).into_response(),
    };

    let error = response.extensions().get::<ApiError>().cloned();
    let code = error.as_ref().map(|error| error.code);
    let cause = error.as_ref().and_then(|error| error.cause.clone());
    if code == Some(ErrorCode::RateLimited) {
        app.reached_limits.note(&context, &route);
    }
    let response = finish(&app, response, error, client.as_ref(), &context);
    let elapsed = started.elapsed();
    crate::metrics::request(&method, &route, response.status(), code, elapsed);
    log(
        &context,
        &method,
        &route,
        &response,
        code,
        cause.as_deref(),
        elapsed,
    );
    if let Some(pause) = app.limits.pause(&context, &method, &route, code) {
        crate::metrics::paused_answer();
        tokio::time::sleep(pause).await;
    }
    response
}

fn context(app: &App, request: &Request) -> Context {
    let peer = request
        .extensions()
        .get::<PeerAddress>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
    let now = app.clock.now();
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Context {
        request_id: uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes())
            .into_uuid()
            .to_string(),
        address: client_address(peer, request.headers(), app.config.network.forwarding_proxies()),
        now,
    }
}

/// Runs a future. Returns the text of a panic as an error.
async fn catch_panic<F: Future>(future: AssertUnwindSafe<F>) -> Result<F::Output, String> {
    let mut future = Box::pin(future.0);
    std::future::poll_fn(move |context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => {
                let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text
                    .or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                std::task::Poll::Ready(Err(format!("panic: {text}")))
            }
        }
    })
    .await
}

fn finish(
    app: &App,
    response: Response,
    error: Option<ApiError>,
    client: Option<&problem::HtmlClient>,
    context: &Context,
) -> Response {
    // RFC 9110 section 15.5.6: "The origin server MUST generate an Allow header field in a 405
    // response".
    let allow = response.headers().get(ALLOW).cloned();
    let mut response = match (error, client) {
        (Some(error), Some(client)) => problem::page(app, client, &error, &context.request_id),
        (Some(error), None) => {
            let (status, headers) = (error.status(), error.headers());
            (status, headers, Json(error.into_body(context.request_id.clone()))).into_response()
        }
        (None, _) => response,
    };
    let headers = response.headers_mut();
    headers.insert(
        X_REQUEST_ID,
        HeaderValue::from_str(&context.request_id).expect("a UUID is a header value"),
    );
    headers.extend(allow.map(|methods| (ALLOW, methods)));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    crate::pages::headers::add(app, headers);
    response
}

/// Headers of every response. [`crate::pages::headers`] adapts those of pages.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
];

fn log(
    context: &Context,
    method: &http::Method,
    route: &str,
    response: &Response,
    code: Option<ErrorCode>,
    cause: Option<&str>,
    elapsed: std::time::Duration,
) {
    let status = response.status().as_u16();
    let code = code.map(ErrorCode::as_str);
    // The log would show a u128 as a string.
    let duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let (request_id, ip) = (&context.request_id, context.address);
    if status >= 500 {
        tracing::error!(request_id, %method, route, status, code, error = cause, %ip, duration_us, "request");
    } else {
        tracing::info!(request_id, %method, route, status, code, %ip, duration_us, "request");
    }
}
