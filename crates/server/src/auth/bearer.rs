//! Authenticates the caller by a bearer token (RFC 6750), verified as on any resource server, or by
//! the session cookie of a browser.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tm_auth_core::token::access;
use tm_auth_proto::{AccessClaims, ErrorCode};
use tm_auth_verifier::{Policy, check};

use crate::app::App;
use crate::app::management::Management;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name};

/// The claims of a platform token.
pub(crate) struct Platform(pub(crate) AccessClaims);

impl Management {
    /// The owner of a browser's session. The caller has checked the CSRF token if the method is not
    /// safe.
    pub(crate) fn of(browser: &Browser) -> Self {
        Self {
            account: browser.account.clone(),
            proof: browser.session.proof,
            sid: browser.session.sid,
        }
    }
}

impl FromRequestParts<Arc<App>> for Platform {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        verify(parts, app, &app.platform_policy).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Management {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        // If a request has a token and a cookie, the token decides, because browsers add the cookie
        // by themselves.
        if !parts.headers.contains_key(AUTHORIZATION)
            && cookie::read(&app.config.public_url, &parts.headers, Name::Session).is_some()
        {
            return of_browser(parts, app).await;
        }
        let claims = match verify(parts, app, &app.management_policy) {
            Ok(claims) => claims,
            // The token is valid, but for the platform. A separate code tells the client so.
            Err(_) if verify(parts, app, &app.platform_policy).is_ok() => {
                return Err(ApiError::new(ErrorCode::ManagementTokenRequired));
            }
            Err(error) => return Err(error),
        };
        let context = Context::from_request_parts(parts, app).await?;
        app.limits.charge_account(&context, claims.uid)?;
        let invalid = |cause| ApiError::caused(ErrorCode::InvalidToken, cause);
        let account = app.store.account(claims.uid).await?;
        let account = account.ok_or_else(|| invalid("its account does not exist"))?;
        if account.disabled_at.is_some() {
            return Err(ApiError::new(ErrorCode::AccountDisabled));
        }
        Ok(Self {
            account,
            proof: access::proof(&claims).ok_or_else(|| invalid("it has no proof of a login"))?,
            sid: claims.sid,
        })
    }
}

async fn of_browser(parts: &mut Parts, app: &Arc<App>) -> Result<Management, ApiError> {
    let browser = Browser::from_request_parts(parts, app).await?;
    if !parts.method.is_safe() {
        browser.require_csrf_header(&parts.headers)?;
    }
    Ok(Management::of(&browser))
}

fn verify(parts: &Parts, app: &App, policy: &Policy) -> Result<AccessClaims, ApiError> {
    let now = parts
        .extensions
        .get::<Context>()
        .map_or_else(|| app.now(), |context| context.now);
    let token = bearer_token(parts)?;
    let claims = check(token, app.keys().verification(), policy, now)
        .map_err(|invalid| ApiError::caused(ErrorCode::InvalidToken, invalid))?;
    if app.revocations.revokes(&claims, now) {
        Err(ApiError::caused(ErrorCode::InvalidToken, "it was revoked"))
    } else {
        Ok(claims)
    }
}

/// Reads the `Authorization` header (RFC 6750 section 2.1). A token in the query or the body is
/// ignored, since those end up in logs.
fn bearer_token(parts: &Parts) -> Result<&str, ApiError> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let value = values
        .next()
        .ok_or_else(|| ApiError::new(ErrorCode::MissingToken))?;
    let invalid = |cause| ApiError::caused(ErrorCode::InvalidToken, cause);
    if values.next().is_some() {
        return Err(invalid("several Authorization headers"));
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or_else(|| invalid("the Authorization header has no scheme and token"))?;
    if scheme.eq_ignore_ascii_case("bearer") {
        // RFC 9110 section 11.4: one space or more.
        Ok(token.trim_start_matches(' '))
    } else {
        Err(ApiError::new(ErrorCode::MissingToken))
    }
}
