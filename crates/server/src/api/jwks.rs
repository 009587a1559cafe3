//! `GET /.well-known/jwks.json`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use tm_auth_proto::JwkSet;

use super::failures::AnyRequest;
use crate::app::App;
use crate::http::caching::cacheable;

/// The public keys that verify access tokens. Served from memory, also during a database outage.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "JWKS", operation_id = "getJwks",
    responses((status = 200, body = JwkSet), (status = 304, description = "The caller already has the current document."), AnyRequest))]
pub(crate) async fn jwks(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let keys = app.keys();
    let (content, etag) = keys.jwks();
    cacheable(
        &headers,
        content.clone(),
        etag,
        "application/json",
        "public, max-age=300",
    )
}
