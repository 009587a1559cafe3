//! `GET /revocations`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::failures::AnyRequest;
use crate::app::App;
use crate::http::caching::cacheable;
use crate::http::context::Context;

/// The revocations that can concern an access token that has not expired, as a JWS with `typ:
/// revocations+jwt` and the claims of `RevocationList`. Poll it with `If-None-Match`.
#[utoipa::path(get, path = "/revocations", tag = "Revocation", operation_id = "getRevocations",
    responses((status = 200, body = String, content_type = "application/jwt"), (status = 304, description = "The caller already has the current document."), AnyRequest))]
pub(crate) async fn revocations(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
) -> Response {
    let document = app.revocations.document(app.keys().signing(), context.now);
    cacheable(
        &headers,
        document.jws,
        &document.etag,
        "application/jwt",
        "no-cache",
    )
}
