//! `POST /sign-out`: the session's row is over, the cookie gone, and the browser told to keep nothing of us.

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
    let origin = context.origin(uid);
    app.database(app.store.end_person_session(uid, sid, &origin))
        .await?;
    Ok((signed_out(&app), Redirect::to("/sign-in")).into_response())
}

/// What an answer to a browser carries whose session has just ended.
pub(crate) fn signed_out(app: &App) -> HeaderMap {
    HeaderMap::from_iter([
        (SET_COOKIE, cookie::clear(&app.config.public_url, Name::Session)),
        // Clear Site Data section 3.1. Cookies are not named: that would take those of other ports of a
        // loopback host along, and of other services of the same domain.
        (CLEAR_SITE_DATA, HeaderValue::from_static(r#""cache", "storage""#)),
    ])
}
