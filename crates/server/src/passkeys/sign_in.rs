//! `/passkeys/sign-in` and `/passkeys/step-up`: a passkey proves its owner.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use tm_auth_core::user::AuthMethod;
use tm_auth_store::passkey::Passkey;

use super::answer::{Answer, Assertion};
use super::assertion::{self, Authenticated};
use super::ceremony::{self, Kind};
use super::relying_party::RelyingParty;
use crate::app::App;
use crate::auth::browser;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::LargeJson;
use crate::random;

/// What the page tells the user afterwards.
#[derive(Serialize)]
pub(crate) struct SignedIn {
    /// A recovery was under way, and this login cancelled it.
    recovery_cancelled: bool,
    /// The passkey's counter did not grow, so there may be a copy of the passkey.
    passkey_suspect: bool,
}

/// Returns options that any passkey may answer.
pub(crate) async fn options(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    ask(&app, &context, &headers, None).await
}

/// Signs the user in.
pub(crate) async fn finish(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    LargeJson(answer): LargeJson<Answer<Assertion>>,
) -> Result<(HeaderMap, Json<SignedIn>), ApiError> {
    let authenticated = assertion::authenticate(&app, &context, &headers, &answer, None).await?;
    signed_in(&app, &context, &headers, authenticated).await
}

/// Gives options that only passkeys of the logged-in account may answer.
pub(crate) async fn step_up_options(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    browser: Browser,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    browser.require_csrf_header(&headers)?;
    ask(&app, &context, &headers, Some(&browser)).await
}

/// Proves a logged-in user again: replaces the session with a fresh one.
pub(crate) async fn step_up(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    browser: Browser,
    LargeJson(answer): LargeJson<Answer<Assertion>>,
) -> Result<(HeaderMap, Json<SignedIn>), ApiError> {
    browser.require_csrf_header(&headers)?;
    let known = Some(browser.account.uid);
    let authenticated = assertion::authenticate(&app, &context, &headers, &answer, known).await?;
    signed_in(&app, &context, &headers, authenticated).await
}

async fn ask(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    browser: Option<&Browser>,
) -> Result<(HeaderMap, Json<Value>), ApiError> {
    let rp = &RelyingParty::of(&app.config)?;
    let uid = browser.map(|browser| browser.account.uid);
    let (kind, allowed) = match uid {
        None => (Kind::SignIn, Vec::<Passkey>::new()),
        Some(uid) => (Kind::StepUp, app.store.passkeys_of(uid).await?),
    };
    let challenge: [u8; 32] = random::bytes();
    let ids: Vec<_> = allowed.iter().map(|passkey| &passkey.credential_id).collect();
    let cookie = ceremony::begin(app, context, headers, kind, uid, &challenge, &ids).await?;
    let options = assertion::options(rp, &super::text(&challenge), &allowed);
    Ok((cookie, Json(options)))
}

async fn signed_in(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    authenticated: Authenticated,
) -> Result<(HeaderMap, Json<SignedIn>), ApiError> {
    let Authenticated { account, used } = authenticated;
    let cookie = browser::sign_in(app, context, headers, &account, AuthMethod::Passkey).await?;
    if used.recovery_cancelled {
        app.mail.send_waiting().await;
    }
    Ok((
        cookie,
        Json(SignedIn {
            recovery_cancelled: used.recovery_cancelled,
            passkey_suspect: used.suspect,
        }),
    ))
}
