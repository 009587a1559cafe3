//! Who is asking: the bearer token of a request (RFC 6750), verified as any resource server does.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use tm_auth_core::Account;
use tm_auth_proto::{AccessClaims, ErrorCode};
use tm_auth_verifier::{Policy, check};

use crate::App;
use crate::error::ApiError;
use crate::request::Context;

/// What changes credentials takes a proof of identity at most this old.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// The holder of a platform token.
pub(crate) struct Platform(pub(crate) AccessClaims);

/// The holder of a token whose only audience is this service. A platform token, which resource servers see,
/// never suffices here.
pub(crate) struct Management {
    pub(crate) account: Account,
    auth_time: i64,
}

impl Management {
    /// Demands that the account's owner proved who they are within the last five minutes.
    pub(crate) fn require_fresh(&self, now: Timestamp) -> Result<(), ApiError> {
        if now.as_second() - self.auth_time <= FRESH.as_secs() {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::ReauthRequired))
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
        let claims = match verify(parts, app, &app.management_policy) {
            Ok(claims) => claims,
            // Right but for its purpose: say so, or its holder would look for the fault elsewhere.
            Err(_) if verify(parts, app, &app.platform_policy).is_ok() => {
                return Err(ApiError::new(ErrorCode::ManagementTokenRequired));
            }
            Err(error) => return Err(error),
        };
        let account = app.database(app.store.account(claims.uid)).await?;
        let account = account.ok_or_else(|| ApiError::new(ErrorCode::InvalidToken))?;
        if account.disabled_at.is_some() {
            return Err(ApiError::new(ErrorCode::AccountDisabled));
        }
        Ok(Self {
            account,
            auth_time: claims.auth_time,
        })
    }
}

fn verify(parts: &Parts, app: &App, policy: &Policy) -> Result<AccessClaims, ApiError> {
    let now = parts
        .extensions
        .get::<Context>()
        .map_or_else(|| app.now(), |context| context.now);
    let token = bearer_token(parts)?;
    let invalid = || ApiError::new(ErrorCode::InvalidToken);
    let claims = check(token, app.keys().verification(), policy, now).map_err(|_| invalid())?;
    if app.revocations.revokes(&claims) {
        Err(invalid())
    } else {
        Ok(claims)
    }
}

/// RFC 6750 section 2.1. Never from the query or the body: those end up in logs.
fn bearer_token(parts: &Parts) -> Result<&str, ApiError> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let value = values
        .next()
        .ok_or_else(|| ApiError::new(ErrorCode::MissingToken))?;
    let invalid = || ApiError::new(ErrorCode::InvalidToken);
    if values.next().is_some() {
        return Err(invalid());
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or_else(invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token)
    } else {
        Err(ApiError::new(ErrorCode::MissingToken))
    }
}
