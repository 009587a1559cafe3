//! `/passkeys/rename` and `/passkeys/remove`: plain forms of the security page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tm_auth_core::{Refusal, label};
use tm_auth_store::passkey::CredentialId;

use crate::app::App;
use crate::app::management::Management;
use crate::app::notices;
use crate::auth::csrf_form::Posted;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::mail::templates::Notice;

/// Where the forms are.
const PAGE: &str = "/security";

#[derive(Deserialize)]
pub(crate) struct Rename {
    credential_id: String,
    name: String,
}

#[derive(Deserialize)]
pub(crate) struct Remove {
    credential_id: String,
    /// Whether whoever is signed in elsewhere is signed out: a checkbox.
    #[serde(default)]
    end_sessions: Option<String>,
}

/// Gives a passkey another name. Names prove nothing, so this takes no fresh proof.
pub(crate) async fn rename(
    State(app): State<Arc<App>>,
    context: Context,
    Posted { browser, form }: Posted<Rename>,
) -> Result<Redirect, ApiError> {
    let uid = browser.account.uid;
    let name = label::parse_field("name", &form.name)?;
    let origin = context.origin(uid);
    let renamed = app
        .store
        .rename_passkey(uid, credential_id(&form.credential_id)?, name, &origin);
    renamed.await??;
    Ok(Redirect::to(PAGE))
}

/// Removes a passkey, unless it is the last way in; and, where asked, whoever it let in elsewhere.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    context: Context,
    Posted { browser, form }: Posted<Remove>,
) -> Result<Redirect, ApiError> {
    let (uid, sid) = (browser.account.uid, browser.session.sid);
    let management = Management::of(&browser);
    management.require_strong(&app, context.now).await?;
    let origin = context.origin(uid);
    let removed = app
        .store
        .remove_passkey(uid, credential_id(&form.credential_id)?, &origin);
    let name = removed.await??;
    if form.end_sessions.is_some() {
        app.store.end_person_sessions(uid, Some(sid), &origin).await?;
    }
    notices::tell(
        &app,
        &context,
        &management.account,
        Notice::PasskeyRemoved { name },
    )
    .await;
    Ok(Redirect::to(PAGE))
}

/// As a form has it.
fn credential_id(text: &str) -> Result<CredentialId, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::PasskeyNotFound)
}
