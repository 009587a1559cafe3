//! Who is asking: the bearer token of a request (RFC 6750), verified as any resource server does, or the cookie of
//! a signed-in browser.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;
use tm_auth_core::Account;
use tm_auth_core::person::Proof;
use tm_auth_core::token::access;
use tm_auth_proto::{AccessClaims, ErrorCode, SessionId};
use tm_auth_verifier::{Policy, check};

use crate::App;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name};

/// The holder of a platform token.
pub(crate) struct Platform(pub(crate) AccessClaims);

/// Who manages an account: a signed-in browser, or the holder of a token whose only audience is this service. A
/// platform token, which resource servers see, never suffices here.
pub(crate) struct Management {
    pub(crate) account: Account,
    pub(crate) proof: Proof,
    /// The session it comes from: one of the account's, or an operator's, which no row stands for.
    pub(crate) sid: SessionId,
}

impl Management {
    /// The owner of a browser's session, whose form brought the session's token.
    pub(crate) fn of(browser: &Browser) -> Self {
        Self {
            account: browser.account.clone(),
            proof: browser.session.proof,
            sid: browser.session.sid,
        }
    }

    /// Demands that the account's owner proved who they are within the last five minutes, by whatever way.
    pub(crate) fn require_fresh(&self, now: Timestamp) -> Result<(), ApiError> {
        if self.proof.is_fresh(now) {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::ReauthRequired))
        }
    }

    /// Demands a proof of the last five minutes by the strongest way that the account has: what changes
    /// credentials takes no mail where there is a passkey.
    pub(crate) async fn require_strong(&self, app: &App, now: Timestamp) -> Result<(), ApiError> {
        self.require_fresh(now)?;
        if self.proof.method.is_strongest() || !app.database(app.store.has_passkey(self.account.uid)).await? {
            Ok(())
        } else {
            Err(ApiError::with_message(
                ErrorCode::ReauthRequired,
                "this account has a passkey: sign in with it".to_owned(),
            ))
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
        // A token, where there is one: who sends it means it. A cookie comes along unasked.
        if !parts.headers.contains_key(AUTHORIZATION)
            && cookie::read(&app.config.public_url, &parts.headers, Name::Session).is_some()
        {
            return of_browser(parts, app).await;
        }
        let claims = match verify(parts, app, &app.management_policy) {
            Ok(claims) => claims,
            // Right but for its purpose: say so, or its holder would look for the fault elsewhere.
            Err(_) if verify(parts, app, &app.platform_policy).is_ok() => {
                return Err(ApiError::new(ErrorCode::ManagementTokenRequired));
            }
            Err(error) => return Err(error),
        };
        let invalid = || ApiError::new(ErrorCode::InvalidToken);
        let account = app.database(app.store.account(claims.uid)).await?;
        let account = account.ok_or_else(invalid)?;
        if account.disabled_at.is_some() {
            return Err(ApiError::new(ErrorCode::AccountDisabled));
        }
        Ok(Self {
            account,
            proof: access::proof(&claims).ok_or_else(invalid)?,
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
