//! `POST /apple/unlink`: the owner removes Apple as a login method.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;
use serde::Deserialize;

use super::start::SECURITY;
use crate::app::management::Management;
use crate::app::{App, user_sessions};
use crate::auth::csrf_form::CsrfForm;
use crate::error::ApiError;
use crate::http::context::Context;

#[derive(Deserialize)]
pub(crate) struct Unlink {
    /// A checkbox: end the account's other sessions too.
    end_sessions: Option<String>,
}

/// Works also without the `[apple]` section: a linked identity can always be removed.
pub(crate) async fn unlink(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form }: CsrfForm<Unlink>,
) -> Result<Redirect, ApiError> {
    let owner = Management::of(&browser);
    app.limits.charge_removal(&context, owner.account.uid)?;
    owner.require_strong(&app, context.now).await?;
    let uid = owner.account.uid;
    let audit_context = context.audit_context(uid);
    app.store.unlink_apple(uid, &audit_context).await??;
    if form.end_sessions.is_some() {
        user_sessions::end_others(&app, &context, &owner.account, owner.sid).await?;
    }
    app.mail.send_waiting().await;
    Ok(Redirect::to(SECURITY))
}
