//! `/security`: the login methods and the sessions of an account.
//!
//! 1. [`overview`] shows them. If a change needs a newer or stronger proof than the session has,
//!    the page links to the login instead of offering a form that would be refused.
//! 2. Each change is a form: [`email`], [`sessions`], [`recovery`] and [`delete`] here, others in
//!    the modules for passkeys and Apple. Each handler checks the proof it needs.
//! 3. The handler redirects back to the page, which says what was done.

mod delete;
mod email;
mod overview;
pub(crate) mod recovery;
mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::app::App;
use crate::app::management::Management;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;

pub(crate) use overview::Done;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/security", get(overview::show))
        .route("/security/email", post(email::ask))
        .route("/security/email/code", get(email::code).post(email::by_code))
        .route("/security/email/link", get(email::link).post(email::by_link))
        .route("/security/sessions/end", post(sessions::end))
        .route("/security/sessions/end-others", post(sessions::end_others))
        .route("/security/sessions/end-all", post(sessions::end_all))
        .route("/security/delete", get(delete::show).post(delete::delete))
        .merge(recovery::routes())
}

/// Redirects to the page, which says what was done.
fn done(what: Done) -> Redirect {
    Redirect::to(&format!("/security?done={}", what.as_str()))
}

/// Demands the proof that changes of login methods need.
async fn require_strong(app: &App, context: &Context, browser: &Browser) -> Result<(), ApiError> {
    Management::of(browser).require_strong(app, context.now).await
}
