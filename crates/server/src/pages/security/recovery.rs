//! `/recovery/start` and `/recovery/cancel`: the forms of the Security page for an owner who lost
//! the passkey.
//!
//! The rules are in [`tm_auth_core::recovery`]. A login with a passkey cancels the recovery in
//! [`crate::passkeys::sign_in`].

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use tm_auth_core::recovery::{self, Recovery};
use tm_auth_proto::ErrorCode;

use crate::app::App;
use crate::auth::csrf_form::{CsrfForm, Empty};
use crate::error::ApiError;
use crate::http::context::Context;

/// The routes of the forms.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/recovery/start", post(start))
        .route("/recovery/cancel", post(cancel))
}

/// The page with the forms.
const PAGE: &str = "/security";

/// Starts a recovery and announces it by e-mail.
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, .. }: CsrfForm<Empty>,
) -> Result<Redirect, ApiError> {
    app.limits.charge_change(&context, browser.account.uid)?;
    if !recovery::may_start(&browser.session.proof, context.now) {
        return Err(ApiError::with_message(
            ErrorCode::ReauthRequired,
            "log in by e-mail first: the recovery is announced to the same address".to_owned(),
        ));
    }
    let uid = browser.account.uid;
    let new = Recovery::start(uid, context.now);
    let audit_context = context.audit_context(uid);
    let started = app.store.start_recovery(new, &audit_context);
    started.await??;
    app.mail.send_waiting().await;
    Ok(Redirect::to(PAGE))
}

/// Cancels the recovery. Any session may: cancelling gives no access.
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, .. }: CsrfForm<Empty>,
) -> Result<Redirect, ApiError> {
    let uid = browser.account.uid;
    app.limits.charge_removal(&context, uid)?;
    let audit_context = context.audit_context(uid);
    app.store.cancel_recovery(uid, &audit_context).await?;
    app.mail.send_waiting().await;
    Ok(Redirect::to(PAGE))
}
