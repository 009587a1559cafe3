//! `POST /apple/unlink`: an account's owner takes Apple away as a way in.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;

use super::start::SECURITY;
use crate::app::App;
use crate::app::management::Management;
use crate::app::notices;
use crate::auth::browser::Browser;
use crate::auth::csrf_form::{Nothing, Posted};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::mail::templates::Notice;

/// Works also where the way is no longer offered: what is linked can be taken away.
pub(crate) async fn unlink(
    State(app): State<Arc<App>>,
    context: Context,
    posted: Posted<Nothing>,
) -> Result<Redirect, ApiError> {
    let Browser { account, session, .. } = posted.browser;
    let owner = Management {
        account,
        proof: session.proof,
        sid: session.sid,
    };
    owner.require_strong(&app, context.now).await?;
    let uid = owner.account.uid;
    if app.store.unlink_apple(uid, &context.origin(uid)).await?? {
        notices::tell(&app, &context, &owner.account, Notice::AppleUnlinked).await;
    }
    Ok(Redirect::to(SECURITY))
}
