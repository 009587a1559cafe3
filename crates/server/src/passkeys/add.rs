//! `/passkeys/add`: one more passkey for a logged-in user.
//!
//! The user must have logged in within five minutes, with the strongest method that the account
//! has. After a recovery's waiting time, a login by mail is enough.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tm_auth_core::{Refusal, label, recovery};
use tm_auth_proto::ErrorCode;
use tm_auth_store::passkey::{AddedBy, CredentialId};

use super::answer::{Answer, Attestation};
use super::ceremony::{self, Kind};
use super::relying_party::RelyingParty;
use super::{MOST_PASSKEYS, default_name, registration};
use crate::app::App;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::{Json as Body, LargeJson};
use crate::random;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The passkey's name. If it is empty, the passkey is named after the browser.
    #[serde(default)]
    name: String,
}

/// What the ceremony keeps until the answer.
#[derive(Serialize, Deserialize)]
struct Pending {
    name: String,
    /// The passkeys that the options exclude: those that the account has.
    excluded: Vec<CredentialId>,
}

/// Returns the options for a new passkey.
pub(crate) async fn options(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    browser: Browser,
    Body(request): Body<Request>,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    browser.require_csrf_header(&headers)?;
    let rp = &RelyingParty::of(&app.config)?;
    ground(&app, &context, &browser).await?;
    let name = match request.name.trim() {
        "" => default_name(&headers),
        name => label::parse_field("name", name)?,
    };
    let uid = browser.account.uid;
    let passkeys = app.store.passkeys_of(uid).await?;
    let user = app.store.passkey_user(uid, random::bytes()).await?;
    let user = user.ok_or_else(|| ApiError::new(ErrorCode::MissingSession))?;
    let account_name = browser
        .account
        .email
        .clone()
        .or_else(|| user.display_name.clone())
        .unwrap_or_else(|| uid.to_string());
    let excluded: Vec<_> = passkeys
        .into_iter()
        .map(|passkey| passkey.credential_id)
        .collect();
    let challenge: [u8; 32] = random::bytes();
    let options = registration::options(rp, &user, &account_name, &challenge, &excluded);
    let pending = Pending { name, excluded };
    let cookie = ceremony::begin(
        &app,
        &context,
        &headers,
        Kind::Add,
        Some(uid),
        &challenge,
        &pending,
    )
    .await?;
    Ok((cookie, Json(options)))
}

/// Adds the passkey, and tells the owner by mail.
pub(crate) async fn finish(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    browser: Browser,
    LargeJson(answer): LargeJson<Answer<Attestation>>,
) -> Result<StatusCode, ApiError> {
    browser.require_csrf_header(&headers)?;
    let rp = &RelyingParty::of(&app.config)?;
    let account = &browser.account;
    app.limits.charge_change(&context, account.uid)?;
    let client_data = &answer.response.client_data.0;
    let verify = async |begun_by, pending: Pending| {
        // The session, not the request body, decides which account gets the passkey.
        if begun_by != Some(account.uid) {
            return Err(super::begun_by_another());
        }
        let by = ground(&app, &context, &browser).await?;
        let passkey = registration::verify(rp, &answer, &pending.excluded, pending.name, context.now)?;
        let audit_context = context.audit_context(account.uid);
        let added = app
            .store
            .add_passkey(account.uid, passkey, by, MOST_PASSKEYS, &audit_context);
        Ok(added.await??)
    };
    let finished = ceremony::finish(&app, &context, &headers, Kind::Add, client_data, verify);
    finished.await?;
    app.mail.send_waiting().await;
    Ok(StatusCode::CREATED)
}

/// Returns what entitles the user to add a passkey, and refuses the request if nothing does.
async fn ground(app: &App, context: &Context, browser: &Browser) -> Result<AddedBy, ApiError> {
    let (proof, uid) = (&browser.session.proof, browser.account.uid);
    if !proof.is_fresh(context.now) {
        return Err(ApiError::new(ErrorCode::ReauthRequired));
    }
    if proof.method.is_strongest() || !app.store.has_passkey(uid).await? {
        return Ok(AddedBy::Proof);
    }
    let recovery = app.store.recovery(uid).await?;
    if recovery::may_add_passkey(proof, recovery.as_ref(), context.now) {
        Ok(AddedBy::Recovery)
    } else {
        Err(Refusal::ProofTooWeak.into())
    }
}
