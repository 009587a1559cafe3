//! `/passkeys/sign-up`: creates an account with its first passkey.
//!
//! The user gives a display name, which the authenticator shows in its lists; an empty one is
//! refused. The passkey itself is named after the browser. The service creates no account until it
//! has verified the answer: until then the ceremony keeps what the account needs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tm_auth_core::user::AuthMethod;
use tm_auth_core::{Account, label};
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_store::NewAccount;
use tm_auth_store::passkey::{NewPasskey, PasskeyUser};
use uuid::Builder;

use super::answer::{Answer, Attestation};
use super::ceremony::{self, Kind};
use super::relying_party::RelyingParty;
use super::{default_name, registration};
use crate::app::App;
use crate::auth::browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::{Json as Body, LargeJson};
use crate::random;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    display_name: String,
}

/// What the ceremony keeps until the answer.
#[derive(Serialize, Deserialize)]
struct Pending {
    /// The WebAuthn user handle, in base64url.
    handle: String,
    display_name: String,
}

/// Returns the options for the passkey of a new account.
pub(crate) async fn options(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Body(request): Body<Request>,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let rp = &RelyingParty::of(&app.config)?;
    let display_name = label::parse_field("display_name", &request.display_name)?;
    let user = PasskeyUser {
        handle: random::bytes(),
        display_name: Some(display_name.clone()),
    };
    let challenge: [u8; 32] = random::bytes();
    let options = registration::options(rp, &user, &display_name, &challenge, &[]);
    let pending = Pending {
        handle: super::text(&user.handle),
        display_name,
    };
    let cookie = ceremony::begin(&app, &context, &headers, Kind::SignUp, None, &challenge, &pending).await?;
    Ok((cookie, Json(options)))
}

/// Creates the account with its passkey, and signs the user in.
pub(crate) async fn finish(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    LargeJson(answer): LargeJson<Answer<Attestation>>,
) -> Result<(StatusCode, HeaderMap), ApiError> {
    let rp = &RelyingParty::of(&app.config)?;
    let client_data = &answer.response.client_data.0;
    let verify = async |_, pending: Pending| {
        let passkey = registration::verify(rp, &answer, &[], default_name(&headers), context.now)?;
        create_account(&app, &context, pending, passkey).await
    };
    let account = ceremony::finish(&app, &context, &headers, Kind::SignUp, client_data, verify).await?;
    let cookie = browser::sign_in(&app, &context, &headers, &account, AuthMethod::Passkey).await?;
    Ok((StatusCode::CREATED, cookie))
}

async fn create_account(
    app: &App,
    context: &Context,
    pending: Pending,
    passkey: NewPasskey,
) -> Result<Account, ApiError> {
    let handle = URL_SAFE_NO_PAD
        .decode(&pending.handle)
        .map_err(ApiError::internal)?;
    let user = PasskeyUser {
        handle: handle
            .try_into()
            .map_err(|_| ApiError::internal("the stored user handle is not 64 bytes long"))?,
        display_name: Some(pending.display_name),
    };
    let new = NewAccount {
        uid: AccountId(Builder::from_random_bytes(random::bytes()).into_uuid()),
        organization_id: OrganizationId(Builder::from_random_bytes(random::bytes()).into_uuid()),
        email: None,
        created_at: context.now,
    };
    let audit_context = context.audit_context(new.uid);
    app.limits.charge_sign_up(context)?;
    let created = app.store.sign_up_with_passkey(new, user, passkey, &audit_context);
    Ok(created.await??)
}
