//! `POST /token/refresh` and `POST /token/revoke`. [`crate::app::refresh`] lists the steps.

use std::sync::Arc;

use axum::extract::State;
use tm_auth_proto::token::RevokeResponse;
use tm_auth_proto::{RefreshTokenRequest, TokenResponse};

use super::failures::{Authenticated, WithBody};
use crate::app::{self, App};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::Json;

/// Exchange a valid refresh token for a new access/refresh token pair.
#[utoipa::path(post, path = "/token/refresh", tag = "Token", operation_id = "refreshToken",
    request_body = RefreshTokenRequest, responses((status = 200, body = TokenResponse), WithBody, Authenticated))]
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    context: Context,
    Json(request): Json<RefreshTokenRequest>,
) -> Result<axum::Json<TokenResponse>, ApiError> {
    app::refresh::refresh(&app, &context, &request.refresh_token)
        .await
        .map(axum::Json)
}

/// End the session of a refresh token and revoke its access tokens. The response is the same if the
/// token is unknown or expired (RFC 7009 section 2.2).
#[utoipa::path(post, path = "/token/revoke", tag = "Token", operation_id = "revokeToken",
    request_body = RefreshTokenRequest, responses((status = 200, body = RevokeResponse), WithBody, Authenticated))]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    context: Context,
    Json(request): Json<RefreshTokenRequest>,
) -> Result<axum::Json<RevokeResponse>, ApiError> {
    app::refresh::revoke(&app, &context, &request.refresh_token).await?;
    Ok(axum::Json(RevokeResponse {}))
}
