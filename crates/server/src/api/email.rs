//! `POST /email/otc` and `POST /email/otc/verify`: a program logs in with an e-mailed code.
//!
//! 1. The client requests a code. The response is the same for every valid address.
//! 2. The client sends the code and the address. An unknown address becomes an account.
//! 3. The tokens are for the platform. With `"audience": "auth"` they only manage the account.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use tm_auth_core::EmailAddress;
use tm_auth_core::email_code::Purpose;
use tm_auth_core::user::{AuthMethod, SessionKind};
use tm_auth_proto::{EmailCodeAnswer, EmailCodeRequest, EmailCodeVerification, TokenAudience, TokenResponse};
use tm_auth_store::email_code::CodeOf;

use super::failures::{Authenticated, WithBody};
use crate::app::App;
use crate::app::{email_code, sign_in};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::device::device;
use crate::http::json::Json;

/// E-mail a one-time code. Earlier codes stay valid, at most three per address and network.
#[utoipa::path(post, path = "/email/otc", tag = "E-mail Authentication", operation_id = "requestEmailCode",
    request_body = EmailCodeRequest, responses((status = 200, body = EmailCodeAnswer), WithBody))]
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Json(request): Json<EmailCodeRequest>,
) -> Result<axum::Json<EmailCodeAnswer>, ApiError> {
    let email = EmailAddress::parse(&request.email)?;
    email_code::mail(&app, &context, &device(&headers), email, Purpose::SignIn, None).await?;
    Ok(axum::Json(EmailCodeAnswer {}))
}

/// Exchange an e-mailed code for tokens. If the address has no account, this creates one.
#[utoipa::path(post, path = "/email/otc/verify", tag = "E-mail Authentication", operation_id = "verifyEmailCode",
    request_body = EmailCodeVerification,
    responses((status = 200, body = TokenResponse), (status = 409, body = tm_auth_proto::ErrorBody, description = "The address is in cooldown."), WithBody, Authenticated))]
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Json(request): Json<EmailCodeVerification>,
) -> Result<axum::Json<TokenResponse>, ApiError> {
    let of = CodeOf::Address(EmailAddress::parse(&request.email)?);
    let proved = email_code::by_code(&app, &context, of, Purpose::SignIn, &request.code).await?;
    let account = email_code::account(&app, &context, proved).await?;
    let kind = match request.audience {
        None => SessionKind::Native,
        Some(TokenAudience::Auth) => SessionKind::Management,
    };
    let tokens = sign_in::native(
        &app,
        &context,
        device(&headers),
        &account,
        AuthMethod::EmailCode,
        kind,
    );
    tokens.await.map(axum::Json)
}
