//! Authenticates a browser by its session cookie.
//!
//! 1. The cookie has the session's id and its 128-bit secret. The row has the hash of the secret. A
//!    cookie is never accepted as a bearer token, nor a bearer token as a cookie.
//! 2. The session must be active and its account enabled.
//! 3. A request that changes something must come from a page of this service.
//!    [`crate::http::same_origin`] checks its origin. The functions here check the session's CSRF
//!    token, which only those pages know.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::FromRequestParts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::SET_COOKIE;
use http::request::Parts;
use jiff::SignedDuration;
use tm_auth_core::Account;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::user::{AuthMethod, SessionKind, UserSession};
use tm_auth_proto::{ErrorCode, SessionId};

use crate::app::{App, sign_in};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name, SameSite};
use crate::http::device::device;

/// The header in which a page's script sends the CSRF token.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// How old `last_used_at` may be before it is updated, so that not every page view writes.
const TOUCH: SignedDuration = SignedDuration::from_mins(1);

/// A logged-in browser.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) account: Account,
    pub(crate) session: UserSession,
    /// The CSRF token. A form sends it in the field `csrf`, a script in the header `x-csrf-token`.
    pub(crate) csrf: String,
}

impl Browser {
    /// Requires the CSRF token, from a form's field.
    pub(crate) fn require_csrf(&self, presented: &str) -> Result<(), ApiError> {
        if verify_slices_are_equal(self.csrf.as_bytes(), presented.as_bytes()).is_ok() {
            Ok(())
        } else {
            Err(ApiError::caused(
                ErrorCode::CrossSiteRequest,
                "the CSRF token is missing or not the session's",
            ))
        }
    }

    /// Requires the CSRF token, from a script's header.
    pub(crate) fn require_csrf_header(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let presented = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        self.require_csrf(presented.unwrap_or_default())
    }
}

impl FromRequestParts<Arc<App>> for Browser {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let context = Context::from_request_parts(parts, app).await?;
        let found = session(app, &context, &parts.headers).await?;
        let (session, account) = found.ok_or_else(|| {
            let cause = match presented(app, &parts.headers) {
                None => "no cookie of a session, or a malformed one",
                Some(_) => "the cookie names no session that is usable",
            };
            ApiError::caused(ErrorCode::MissingSession, cause)
        })?;
        app.limits.charge_account(&context, account.uid)?;
        let (_, secret) =
            presented(app, &parts.headers).ok_or_else(|| ApiError::new(ErrorCode::MissingSession))?;
        Ok(Self {
            account,
            csrf: csrf(&secret),
            session,
        })
    }
}

/// Logs a browser in, or authenticates its user again (step-up). Opens a session that replaces the
/// one of the request's cookie. Returns the `Set-Cookie` header of the response.
pub(crate) async fn sign_in(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    account: &Account,
    method: AuthMethod,
) -> Result<HeaderMap, ApiError> {
    // The cookie's secret must match. A caller who only knows a session's id must not end it.
    let replaces = session(app, context, headers).await?;
    let replaces = replaces.map(|(session, _)| session.sid);
    let opened = sign_in::browser(app, context, device(headers), account, method, replaces);
    let (sid, secret) = opened.await?;
    let url = &app.config.public_url;
    let cookie = cookie::set(url, Name::Session, &cookie_value(sid, &secret), SameSite::Lax);
    Ok(HeaderMap::from_iter([(SET_COOKIE, cookie)]))
}

/// Step 2. The active session of the request's cookie. `None` if there is none, for any reason.
pub(crate) async fn session(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
) -> Result<Option<(UserSession, Account)>, ApiError> {
    let Some((sid, secret)) = presented(app, headers) else {
        return Ok(None);
    };
    let found = app.store.user_session(sid).await?;
    let Some((session, account)) = found.filter(|(session, account)| {
        session.kind == SessionKind::Browser
            && session.secret_hash.matches(&secret)
            && session.check_usable(account, context.now).is_ok()
    }) else {
        return Ok(None);
    };
    if context.now.duration_since(session.last_used_at) >= TOUCH {
        let touched = app.store.touch_user_session(sid, context.now, context.address);
        touched.await?;
    }
    Ok(Some((session, account)))
}

/// Step 1. Reads the session id and the secret from the cookie. They are not verified yet.
pub(crate) fn presented(app: &App, headers: &HeaderMap) -> Option<(SessionId, SessionSecret)> {
    let value = cookie::read(&app.config.public_url, headers, Name::Session)?;
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
    let (sid, secret) = bytes.split_at(16);
    let sid = SessionId(uuid::Uuid::from_slice(sid).ok()?);
    Some((sid, SessionSecret::new(secret.try_into().ok()?)))
}

/// The value of a session's cookie.
fn cookie_value(sid: SessionId, secret: &SessionSecret) -> String {
    let mut bytes = sid.0.as_bytes().to_vec();
    bytes.extend(
        URL_SAFE_NO_PAD
            .decode(secret.encode())
            .expect("it was encoded so"),
    );
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Derives the CSRF token from the secret, so that it needs no row. The hash does not reveal the
/// secret.
fn csrf(secret: &SessionSecret) -> String {
    let text = format!("tm-auth csrf v1 {}", secret.encode());
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
