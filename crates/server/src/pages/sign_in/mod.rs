//! Login and sign-up by e-mail, in a browser.
//!
//! 1. [`address`]: the user enters an address. The browser gets a cookie; the e-mail has a code and
//!    a link.
//! 2. [`code`]: the user enters the code in the same browser. The address is the one stored with
//!    the cookie's flow.
//! 3. [`link`]: or the user opens the link there and presses a button. Opening alone does nothing,
//!    because mail scanners open links. Another browser, without the cookie, only shows the code.
//! 4. Either opens a session and redirects to the requested page.

mod address;
mod code;
mod flow;
mod link;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::HeaderMap;
use http::header::SET_COOKIE;
use tm_auth_core::user::AuthMethod;
use tm_auth_store::email_code::ProvedEmail;

use crate::app::App;
use crate::app::email_code;
use crate::auth::browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name};

pub(crate) use flow::Flow;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sign-in", get(address::show).post(address::submit))
        .route("/sign-in/code", get(code::show).post(code::submit))
        .route("/sign-in/link", get(link::show).post(link::submit))
}

/// Opens a session for the owner of a verified address, clears the flow's cookie and redirects to
/// the next page.
async fn complete(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    flow: &Flow,
    proved: ProvedEmail,
    method: AuthMethod,
) -> Result<Response, ApiError> {
    let account = email_code::account(app, context, proved).await?;
    let mut cookies = browser::sign_in(app, context, headers, &account, method).await?;
    cookies.append(SET_COOKIE, cookie::clear(&app.config.public_url, Name::Flow));
    Ok((cookies, Redirect::to(flow.next.as_str())).into_response())
}
