//! `GET /api-key`: the API key that minted the caller's token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use tm_auth_core::token::access::minting_key;
use tm_auth_proto::{ErrorCode, OwnApiKey};

use super::failures::{AnyRequest, Authenticated};
use super::view::view;
use crate::app::App;
use crate::auth::bearer::Platform;
use crate::error::ApiError;
use crate::http::context::Context;

/// The API key that minted the token, and the client address that the service sees.
#[utoipa::path(get, path = "/api-key", tag = "API Keys", operation_id = "getOwnApiKey", security(("bearerAuth" = [])),
    responses((status = 200, body = OwnApiKey), (status = 404, body = tm_auth_proto::ErrorBody, description = "The token was not minted with an API key."), AnyRequest, Authenticated))]
pub(crate) async fn own_key(
    State(app): State<Arc<App>>,
    context: Context,
    Platform(claims): Platform,
) -> Result<Json<OwnApiKey>, ApiError> {
    let key_id = minting_key(&claims).ok_or_else(|| ApiError::new(ErrorCode::KeyNotFound))?;
    let found = app.store.api_key_of(claims.uid, key_id).await?;
    let (key, last_use) = found.ok_or_else(|| ApiError::new(ErrorCode::KeyNotFound))?;
    Ok(Json(OwnApiKey {
        key: view(&key, last_use, context.now),
        seen_ip: context.address,
        server_time: context.now,
    }))
}
