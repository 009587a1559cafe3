//! `/passkeys/rename` and `/passkeys/remove`: forms of the security page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tm_auth_core::{Refusal, label};
use tm_auth_store::passkey::CredentialId;

use crate::app::management::Management;
use crate::app::{App, user_sessions};
use crate::auth::csrf_form::CsrfForm;
use crate::error::ApiError;
use crate::http::context::Context;

/// The page with the forms.
const PAGE: &str = "/security";

#[derive(Deserialize)]
pub(crate) struct Rename {
    credential_id: String,
    name: String,
}

#[derive(Deserialize)]
pub(crate) struct Remove {
    credential_id: String,
    /// Present if the user also asks to end the other sessions of the account.
    #[serde(default)]
    end_sessions: Option<String>,
}

/// Renames a passkey. A name grants no access, so every live session may change it.
pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form }: CsrfForm<Rename>,
) -> Result<Redirect, ApiError> {
    let uid = browser.account.uid;
    app.limits.charge_change(&context, uid)?;
    let name = label::parse_field("name", &form.name)?;
    let audit_context = context.audit_context(uid);
    let renamed = app
        .store
        .rename_passkey(uid, credential_id(&form.credential_id)?, name, &audit_context);
    renamed.await??;
    Ok(Redirect::to(PAGE))
}

/// Removes a passkey unless it is the last login method, and ends the other sessions if asked to.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form }: CsrfForm<Remove>,
) -> Result<Redirect, ApiError> {
    let uid = browser.account.uid;
    app.limits.charge_removal(&context, uid)?;
    let management = Management::of(&browser);
    management.require_strong(&app, context.now).await?;
    let audit_context = context.audit_context(uid);
    let removed = app
        .store
        .remove_passkey(uid, credential_id(&form.credential_id)?, &audit_context);
    removed.await??;
    if form.end_sessions.is_some() {
        user_sessions::end_others(&app, &context, &management.account, management.sid).await?;
    }
    app.mail.send_waiting().await;
    Ok(Redirect::to(PAGE))
}

/// Reads the id from the form, where it is in base64url.
fn credential_id(text: &str) -> Result<CredentialId, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::PasskeyNotFound)
}
