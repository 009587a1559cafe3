//! Who is asking, in a browser: the session behind the cookie.
//!
//! 1. The cookie carries the session's id and its 128-bit secret; the row holds the secret's hash. It is no
//!    bearer token, and no bearer token is a cookie.
//! 2. The session must be live and its account allowed to act.
//! 3. What changes something must come from a page of ours: [`crate::http::same_origin`] looked at where the request
//!    comes from, and here it must bring the session's token as well, which only our pages know.

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
use tm_auth_core::person::{AuthMethod, PersonSession, SessionKind};
use tm_auth_core::secret::SessionSecret;
use tm_auth_proto::{ErrorCode, SessionId};

use crate::app::{App, sign_in};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name, SameSite};
use crate::http::device::device;

/// Where a page's script puts the token of its session.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// When a session was last used is kept to the minute: no page view writes.
const TOUCH: SignedDuration = SignedDuration::from_mins(1);

/// A signed-in browser.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) account: Account,
    pub(crate) session: PersonSession,
    /// What a form of this session carries in its field `csrf`, and a script in `x-csrf-token`.
    pub(crate) csrf: String,
}

impl Browser {
    /// Demands the session's token, from a form's field.
    pub(crate) fn require_csrf(&self, presented: &str) -> Result<(), ApiError> {
        if verify_slices_are_equal(self.csrf.as_bytes(), presented.as_bytes()).is_ok() {
            Ok(())
        } else {
            Err(ApiError::new(ErrorCode::CrossSiteRequest))
        }
    }

    /// Demands the session's token, from a script's header.
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
        let (session, account) = found.ok_or_else(|| ApiError::new(ErrorCode::MissingSession))?;
        let (_, secret) =
            presented(app, &parts.headers).ok_or_else(|| ApiError::new(ErrorCode::MissingSession))?;
        Ok(Self {
            account,
            csrf: csrf(&secret),
            session,
        })
    }
}

/// Signs a browser in, or again at a step-up: opens a session that replaces the one of the request's cookie. Returns
/// the `Set-Cookie` for the answer.
pub(crate) async fn sign_in(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    account: &Account,
    method: AuthMethod,
) -> Result<HeaderMap, ApiError> {
    // The cookie's secret must match: a caller who only knows the id of a session must not end it.
    let replaces = session(app, context, headers).await?;
    let replaces = replaces.map(|(session, _)| session.sid);
    let opened = sign_in::browser(app, context, device(headers), account, method, replaces);
    let (sid, secret) = opened.await?;
    let url = &app.config.public_url;
    let cookie = cookie::set(url, Name::Session, &cookie_value(sid, &secret), SameSite::Lax);
    Ok(HeaderMap::from_iter([(SET_COOKIE, cookie)]))
}

/// The live session of the request's cookie. `None` where there is none, for whatever reason.
pub(crate) async fn session(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
) -> Result<Option<(PersonSession, Account)>, ApiError> {
    let Some((sid, secret)) = presented(app, headers) else {
        return Ok(None);
    };
    let found = app.database(app.store.person_session(sid)).await?;
    let Some((session, account)) = found.filter(|(session, account)| {
        session.kind == SessionKind::Browser
            && session.secret_hash.matches(&secret)
            && session.permit(account, context.now).is_ok()
    }) else {
        return Ok(None);
    };
    if context.now.duration_since(session.last_used_at) >= TOUCH {
        let touched = app.store.touch_person_session(sid, context.now, context.address);
        app.database(touched).await?;
    }
    Ok(Some((session, account)))
}

/// What the cookie carries, unjudged.
pub(crate) fn presented(app: &App, headers: &HeaderMap) -> Option<(SessionId, SessionSecret)> {
    let value = cookie::read(&app.config.public_url, headers, Name::Session)?;
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
    let (sid, secret) = bytes.split_at(16);
    let sid = SessionId(uuid::Uuid::from_slice(sid).ok()?);
    Some((sid, SessionSecret::new(secret.try_into().ok()?)))
}

/// The cookie of a session.
fn cookie_value(sid: SessionId, secret: &SessionSecret) -> String {
    let mut bytes = sid.0.as_bytes().to_vec();
    bytes.extend(
        URL_SAFE_NO_PAD
            .decode(secret.encode())
            .expect("it was encoded so"),
    );
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Follows from the secret, so it needs no row; and gives nothing of it away.
fn csrf(secret: &SessionSecret) -> String {
    let text = format!("tm-auth csrf v1 {}", secret.encode());
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
