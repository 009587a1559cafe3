//! `GET|POST /api-keys`, `GET|PATCH|DELETE /api-keys/{key_id}`: an account manages its keys.
//!
//! Every one of them takes a management token; those that make or change a key a proof of identity of the
//! last five minutes. Another account's key is not found, like one that does not exist.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use http::StatusCode;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use tm_auth_core::api_key::address;
use tm_auth_core::{ApiKey, PublicKey, Refusal, label, registration};
use tm_auth_proto::{ApiKey as View, ApiKeyList, KeyId, RegisterApiKey, Scopes, UpdateApiKey};
use tm_auth_store::{KeyChange, NewApiKey};

use super::failures::{AnyRequest, Managed, WithBody};
use super::view::view;
use crate::App;
use crate::bearer::Management;
use crate::error::ApiError;
use crate::json::Json;
use crate::notices::{self, Notice};
use crate::random;
use crate::request::Context;

/// The account's keys, newest first.
#[utoipa::path(get, path = "/api-keys", tag = "API Keys", operation_id = "listApiKeys", security(("bearerAuth" = [])),
    responses((status = 200, body = ApiKeyList), AnyRequest, Managed))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
) -> Result<axum::Json<ApiKeyList>, ApiError> {
    let keys = app
        .database(app.store.api_keys_of(management.account.uid))
        .await?;
    let keys = keys
        .iter()
        .map(|(key, last_use)| view(key, *last_use, context.now))
        .collect();
    Ok(axum::Json(ApiKeyList { keys }))
}

/// Register a public key. It mints at once: its proof shows that its holder has the private half.
#[utoipa::path(post, path = "/api-keys", tag = "API Keys", operation_id = "registerApiKey", security(("bearerAuth" = [])),
    request_body = RegisterApiKey,
    responses((status = 201, body = View), (status = 409, body = tm_auth_proto::ErrorBody, description = "The key is known, or the account has its most."), WithBody, Managed))]
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    Json(request): Json<RegisterApiKey>,
) -> Result<(StatusCode, axum::Json<View>), ApiError> {
    management.require_strong(&app, context.now).await?;
    let uid = management.account.uid;
    let key = PublicKey::parse(&request.public_key)?;
    // Before any look-up, or "already registered" would tell who has a key here.
    let public_key = registration::prove(key, &request.proof, &app.issuer.url, uid, context.now)?;
    let new = NewApiKey {
        key_id: KeyId::generate(app.issuer.environment, random::bytes()),
        uid,
        label: label::parse(&request.label)?,
        public_key,
        scopes: some_scope(request.scopes.unwrap_or(Scopes::ALL))?,
        allowed_ips: address::parse(&request.allowed_ips)?,
        created_at: context.now,
        active: true,
        expires_at: future(
            request
                .expires_at
                .unwrap_or_else(|| Some(default_end(&app, context.now))),
            context.now,
        )?,
    };
    let max_live = app.config.api_keys.max_per_account;
    let key = app
        .database(app.store.register_key(new, max_live, &context.origin(uid)))
        .await??;
    tell(&app, &context, &key, |label| Notice::KeyCreated { label }).await;
    Ok((StatusCode::CREATED, axum::Json(view(&key, None, context.now))))
}

/// One key.
#[utoipa::path(get, path = "/api-keys/{key_id}", tag = "API Keys", operation_id = "getApiKey", security(("bearerAuth" = [])),
    params(("key_id" = KeyId, Path)),
    responses((status = 200, body = View), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such key in this account."), AnyRequest, Managed))]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    Named(key_id): Named,
) -> Result<axum::Json<View>, ApiError> {
    let keys = app
        .database(app.store.api_keys_of(management.account.uid))
        .await?;
    let found = keys
        .iter()
        .find(|(key, _)| key.key_id == key_id)
        .ok_or(Refusal::KeyNotFound)?;
    Ok(axum::Json(view(&found.0, found.1, context.now)))
}

/// Change a key's name, scopes, end or addresses.
#[utoipa::path(patch, path = "/api-keys/{key_id}", tag = "API Keys", operation_id = "updateApiKey", security(("bearerAuth" = [])),
    params(("key_id" = KeyId, Path)), request_body = UpdateApiKey,
    responses((status = 200, body = View), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such key in this account."),
        (status = 409, body = tm_auth_proto::ErrorBody, description = "The key is revoked or expired."), WithBody, Managed))]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    Named(key_id): Named,
    Json(request): Json<UpdateApiKey>,
) -> Result<axum::Json<View>, ApiError> {
    management.require_strong(&app, context.now).await?;
    let uid = management.account.uid;
    let change = KeyChange {
        label: request.label.as_deref().map(label::parse).transpose()?,
        scopes: request.scopes.map(some_scope).transpose()?,
        expires_at: request
            .expires_at
            .map(|end| future(end, context.now))
            .transpose()?,
        allowed_ips: request.allowed_ips.as_deref().map(address::parse).transpose()?,
    };
    let key = app
        .database(app.store.update_key(uid, key_id, change, &context.origin(uid)))
        .await??;
    app.forget(&tm_auth_store::Change::Key(key_id));
    tell(&app, &context, &key, |label| Notice::KeyChanged { label }).await;
    Ok(axum::Json(view(&key, None, context.now)))
}

/// Revoke a key for ever: no mint or refresh that begins after the answer succeeds, and its access tokens
/// are on the revocation list. Doing it twice is no error.
#[utoipa::path(delete, path = "/api-keys/{key_id}", tag = "API Keys", operation_id = "revokeApiKey", security(("bearerAuth" = [])),
    params(("key_id" = KeyId, Path)),
    responses((status = 200, body = View), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such key in this account."), AnyRequest, Managed))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    Named(key_id): Named,
) -> Result<axum::Json<View>, ApiError> {
    let uid = management.account.uid;
    let key = app
        .database(app.store.revoke_key(uid, key_id, &context.origin(uid)))
        .await??;
    app.forget(&tm_auth_store::Change::Key(key_id));
    app.database(app.reload_revocations()).await?;
    // Doing it twice is told once.
    if key.revoked_at == Some(context.now) {
        tell(&app, &context, &key, |label| Notice::KeyRevoked { label }).await;
    }
    Ok(axum::Json(view(&key, None, context.now)))
}

async fn tell(app: &App, context: &Context, key: &ApiKey, notice: impl FnOnce(String) -> Notice) {
    notices::tell(app, context, &key.account, notice(key.label.clone())).await;
}

/// The key that the path names. What is no key id, or not even UTF-8, names no key of this account either.
pub(crate) struct Named(KeyId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok()
            .and_then(|Path(key_id)| key_id.parse().ok())
            .map(Self)
            .ok_or_else(|| Refusal::KeyNotFound.into())
    }
}

fn some_scope(scopes: Scopes) -> Result<Scopes, ApiError> {
    if scopes.is_empty() {
        Err(ApiError::invalid(
            "scopes",
            "name at least one scope, or leave it out for all",
        ))
    } else {
        Ok(scopes)
    }
}

fn future(end: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match end {
        Some(end) if end <= now => Err(ApiError::invalid("expires_at", "must lie in the future")),
        end => Ok(end),
    }
}

fn default_end(app: &App, now: Timestamp) -> Timestamp {
    now + SignedDuration::from_hours(24 * i64::from(app.config.api_keys.default_expiry_days))
}
