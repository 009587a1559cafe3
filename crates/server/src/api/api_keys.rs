//! `GET|POST /api-keys`, `GET|PATCH|DELETE /api-keys/{key_id}`, `POST /api-keys/{key_id}/activate`:
//! the owner of an account manages its keys.
//!
//! Each endpoint requires a management token or a browser's session cookie.
//! [`crate::app::api_keys`] describes how recent the authentication must be. A key of another
//! account is answered like a key that does not exist.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::AppendHeaders;
use http::header::LINK;
use http::request::Parts;
use http::{HeaderName, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_core::Refusal;
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::{ApiKey as View, ApiKeyList, KeyId, RegisterApiKey, UpdateApiKey};

use super::failures::{AnyRequest, Managed, WithBody};
use super::view::view;
use crate::app::App;
use crate::app::api_keys;
use crate::app::management::Management;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::Json;

#[derive(Default, Deserialize)]
pub(crate) struct ListQuery {
    /// In milliseconds.
    before: Option<i64>,
}

/// The account's keys, newest first: all that are neither revoked nor expired, and the newest 50
/// others. If there are more, the header `link` names the next page, which has older revoked and
/// expired keys.
#[utoipa::path(get, path = "/api-keys", tag = "API Keys", operation_id = "listApiKeys", security(("bearerAuth" = [])),
    params(("before" = Option<i64>, Query, description = "Only revoked and expired keys that were registered before this time, in Unix milliseconds; see the header `link`.")),
    responses((status = 200, body = ApiKeyList, headers(("link" = String, description = "RFC 8288: the next page, as `rel=\"next\"`. Absent on the last page."))),
        (status = 400, body = tm_auth_proto::ErrorBody, description = "`before` is not a time."), AnyRequest, Managed))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<
    (
        Option<AppendHeaders<[(HeaderName, String); 1]>>,
        axum::Json<ApiKeyList>,
    ),
    ApiError,
> {
    let not_a_time = || ApiError::invalid("before", "write Unix milliseconds, as the header `link` does");
    let Query(query) = query.map_err(|_| not_a_time())?;
    let before = query
        .before
        .map(|before| Timestamp::from_millisecond(before).map_err(|_| not_a_time()))
        .transpose()?;
    let page = api_keys::list(&app, &context, management.account.uid, before).await?;
    let mut keys: Vec<View> = page
        .live
        .iter()
        .chain(&page.dead)
        .map(|(key, last_use)| view(key, *last_use, context.now))
        .collect();
    keys.sort_by_key(|key| Reverse(key.created_at));
    let next = page.older.map(|older| {
        let (url, older) = (&app.issuer.url, older.as_millisecond());
        AppendHeaders([(LINK, format!("<{url}/api-keys?before={older}>; rel=\"next\""))])
    });
    Ok((next, axum::Json(ApiKeyList { keys })))
}

/// Register a public key. The proof shows that the caller has the private key. The key can mint
/// tokens at once, unless it is registered as pending.
#[utoipa::path(post, path = "/api-keys", tag = "API Keys", operation_id = "registerApiKey", security(("bearerAuth" = [])),
    request_body = RegisterApiKey,
    responses((status = 201, body = View), (status = 409, body = tm_auth_proto::ErrorBody, description = "The key is already registered, or the account has reached its key limit."),
        WithBody, Managed, (status = 429, body = tm_auth_proto::ErrorBody, description = "Too many requests, or the account has reached its limit of registrations within 24 hours; see `Retry-After`.")))]
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    Json(request): Json<RegisterApiKey>,
) -> Result<(StatusCode, axum::Json<View>), ApiError> {
    let key = api_keys::register(&app, &context, &management, &request).await?;
    Ok((StatusCode::CREATED, axum::Json(view(&key, None, context.now))))
}

/// One key of the account.
#[utoipa::path(get, path = "/api-keys/{key_id}", tag = "API Keys", operation_id = "getApiKey", security(("bearerAuth" = [])),
    params(("key_id" = KeyId, Path)),
    responses((status = 200, body = View), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such key in this account."), AnyRequest, Managed))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    KeyIdPath(key_id): KeyIdPath,
) -> Result<axum::Json<View>, ApiError> {
    let (key, last_use) = api_keys::find(&app, &management, key_id).await?;
    Ok(axum::Json(view(&key, last_use, context.now)))
}

/// Activate a pending key after its key file is saved.
#[utoipa::path(post, path = "/api-keys/{key_id}/activate", tag = "API Keys", operation_id = "activateApiKey", security(("bearerAuth" = [])),
    params(("key_id" = KeyId, Path)), request_body = RegistrationProof,
    responses((status = 200, body = View), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such key in this account, or it was pending for more than 24 hours."),
        (status = 409, body = tm_auth_proto::ErrorBody, description = "The key is revoked or expired, or the account has reached its key limit."), WithBody, Managed))]
pub(crate) async fn activate(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    KeyIdPath(key_id): KeyIdPath,
    Json(proof): Json<RegistrationProof>,
) -> Result<axum::Json<View>, ApiError> {
    let key = api_keys::activate(&app, &context, &management, key_id, &proof).await?;
    Ok(axum::Json(view(&key, None, context.now)))
}

/// Change a key's label, scopes, expiry or allowed addresses; disable it, or enable it again.
#[utoipa::path(patch, path = "/api-keys/{key_id}", tag = "API Keys", operation_id = "updateApiKey", security(("bearerAuth" = [])),
    params(("key_id" = KeyId, Path)), request_body = UpdateApiKey,
    responses((status = 200, body = View), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such key in this account."),
        (status = 409, body = tm_auth_proto::ErrorBody, description = "The key is revoked or expired."), WithBody, Managed))]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    KeyIdPath(key_id): KeyIdPath,
    Json(request): Json<UpdateApiKey>,
) -> Result<axum::Json<View>, ApiError> {
    let key = api_keys::update(&app, &context, &management, key_id, &request).await?;
    Ok(axum::Json(view(&key, None, context.now)))
}

/// Revoke a key permanently. No mint or refresh that starts after the response succeeds, and the
/// revocation list has the key. Repeating the request changes nothing.
#[utoipa::path(delete, path = "/api-keys/{key_id}", tag = "API Keys", operation_id = "revokeApiKey", security(("bearerAuth" = [])),
    params(("key_id" = KeyId, Path)),
    responses((status = 200, body = View), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such key in this account."), AnyRequest, Managed))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    KeyIdPath(key_id): KeyIdPath,
) -> Result<axum::Json<View>, ApiError> {
    let key = api_keys::revoke(&app, &context, &management, key_id).await?;
    Ok(axum::Json(view(&key, None, context.now)))
}

/// The key id in the path. A path segment that is not a key id, or not UTF-8, is an unknown key.
pub(crate) struct KeyIdPath(pub(crate) KeyId);

impl<S: Send + Sync> FromRequestParts<S> for KeyIdPath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok()
            .and_then(|Path(key_id)| key_id.parse().ok())
            .map(Self)
            .ok_or_else(|| Refusal::KeyNotFound.into())
    }
}
