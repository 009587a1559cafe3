//! `/passkeys/sign-up`: an account that begins with a passkey.
//!
//! The person gives a name, for the passkey's place in lists; whoever types none is called by the day. There is no
//! account before the proof: until then everything is in the ceremony.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tm_auth_core::person::AuthMethod;
use tm_auth_core::{Account, label};
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_store::NewAccount;
use tm_auth_store::passkey::{NewPasskey, PasskeyUser};
use uuid::Builder;

use super::answer::{Answer, Attestation};
use super::ceremony::{self, Kind};
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

/// What waits for the proof.
#[derive(Serialize, Deserialize)]
struct Waiting {
    handle: String,
    display_name: String,
}

/// Asks for a new passkey.
pub(crate) async fn options(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Body(request): Body<Request>,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let rp = app.passkeys()?;
    let display_name = label::parse_field("display_name", &request.display_name)?;
    let user = PasskeyUser {
        handle: random::bytes(),
        display_name: Some(display_name.clone()),
    };
    let challenge: [u8; 32] = random::bytes();
    let options = registration::options(rp, &user, &display_name, &challenge, &[]);
    let waiting = Waiting {
        handle: super::text(&user.handle),
        display_name,
    };
    let cookie = ceremony::begin(&app, &context, &headers, Kind::SignUp, None, &challenge, &waiting).await?;
    Ok((cookie, Json(options)))
}

/// Makes the account with its passkey, and signs in.
pub(crate) async fn finish(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    LargeJson(answer): LargeJson<Answer<Attestation>>,
) -> Result<(StatusCode, HeaderMap), ApiError> {
    let rp = app.passkeys()?;
    let client_data = &answer.response.client_data.0;
    let judge = async |_, waiting: Waiting| {
        let passkey = registration::verify(rp, &answer, &[], default_name(&headers), context.now)?;
        make_account(&app, &context, waiting, passkey).await
    };
    let account = ceremony::finish(&app, &context, &headers, Kind::SignUp, client_data, judge).await?;
    let cookie = browser::sign_in(&app, &context, &headers, &account, AuthMethod::Passkey).await?;
    Ok((StatusCode::CREATED, cookie))
}

async fn make_account(
    app: &App,
    context: &Context,
    waiting: Waiting,
    passkey: NewPasskey,
) -> Result<Account, ApiError> {
    let handle = URL_SAFE_NO_PAD
        .decode(&waiting.handle)
        .map_err(ApiError::internal)?;
    let user = PasskeyUser {
        handle: handle
            .try_into()
            .map_err(|_| ApiError::internal("a handle of another length"))?,
        display_name: Some(waiting.display_name),
    };
    let new = NewAccount {
        uid: AccountId(Builder::from_random_bytes(random::bytes()).into_uuid()),
        organization_id: OrganizationId(Builder::from_random_bytes(random::bytes()).into_uuid()),
        email: None,
        created_at: context.now,
    };
    let origin = context.origin(new.uid);
    app.limits.charge_passkey_sign_up(context)?;
    let made = app.store.sign_up_with_passkey(new, user, passkey, &origin);
    Ok(made.await??)
}
