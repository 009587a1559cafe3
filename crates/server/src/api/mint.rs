//! `POST /api-key/token`. [`crate::app::mint`] lists the steps.

use std::sync::Arc;

use axum::extract::State;
use tm_auth_proto::{ApiKeyTokenRequest, TokenResponse};

use super::failures::{Authenticated, WithBody};
use crate::app::{self, App};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::Json;

/// Verify an ECDSA P-256 signature and issue JWT tokens.
#[utoipa::path(post, path = "/api-key/token", tag = "API Key Authentication", operation_id = "exchangeApiKeyToken",
    request_body = ApiKeyTokenRequest, responses((status = 200, body = TokenResponse), WithBody, Authenticated))]
pub(crate) async fn mint(
    State(app): State<Arc<App>>,
    context: Context,
    Json(request): Json<ApiKeyTokenRequest>,
) -> Result<axum::Json<TokenResponse>, ApiError> {
    app::mint::mint(&app, &context, &request).await.map(axum::Json)
}
