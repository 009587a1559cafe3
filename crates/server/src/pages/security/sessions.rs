//! Ends one session, all others, or all. Needs a login within the last five minutes, by any method.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tm_auth_proto::ErrorCode;

use super::{Done, done};
use crate::app::management::Management;
use crate::app::{App, user_sessions};
use crate::auth::browser::Browser;
use crate::auth::csrf_form::{CsrfForm, Empty};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::pages::sign_out::signed_out;

#[derive(Deserialize)]
pub(crate) struct EndSessionForm {
    sid: String,
}

pub(crate) async fn end(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form }: CsrfForm<EndSessionForm>,
) -> Result<Redirect, ApiError> {
    require_fresh(&context, &browser)?;
    let sid = form.sid.parse();
    let sid = sid.map_err(|_| ApiError::new(ErrorCode::SessionNotFound))?;
    let uid = browser.account.uid;
    user_sessions::end(&app, &context, uid, sid).await?;
    Ok(done(Done::Session))
}

pub(crate) async fn end_others(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form: _ }: CsrfForm<Empty>,
) -> Result<Redirect, ApiError> {
    require_fresh(&context, &browser)?;
    user_sessions::end_others(&app, &context, &browser.account, browser.session.sid).await?;
    Ok(done(Done::Sessions))
}

pub(crate) async fn end_all(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form: _ }: CsrfForm<Empty>,
) -> Result<Response, ApiError> {
    require_fresh(&context, &browser)?;
    user_sessions::end_all(&app, &context, &browser.account).await?;
    Ok((signed_out(&app), Redirect::to("/sign-in")).into_response())
}

fn require_fresh(context: &Context, browser: &Browser) -> Result<(), ApiError> {
    Management::of(browser).require_fresh(context.now)
}
