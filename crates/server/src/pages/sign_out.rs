//! `POST /sign-out`: ends the session, clears its cookie, and has the browser clear its cache and
//! storage.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};

use crate::app::App;
use crate::auth::csrf_form::{CsrfForm, Empty};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name};

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

pub(crate) async fn sign_out(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form: _ }: CsrfForm<Empty>,
) -> Result<Response, ApiError> {
    let (uid, sid) = (browser.account.uid, browser.session.sid);
    let audit_context = context.audit_context(uid);
    app.store.end_user_session(uid, sid, &audit_context).await?;
    Ok((signed_out(&app), Redirect::to("/sign-in")).into_response())
}

/// The headers of the response that ends a browser's session.
pub(crate) fn signed_out(app: &App) -> HeaderMap {
    HeaderMap::from_iter([
        (SET_COOKIE, cookie::clear(&app.config.public_url, Name::Session)),
        // Clear Site Data section 3.1. Not "cookies": that would also clear those of other ports of
        // a loopback host, and of other services of the same domain.
        (CLEAR_SITE_DATA, HeaderValue::from_static(r#""cache", "storage""#)),
    ])
}
