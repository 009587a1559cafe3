//! A ceremony: what the service stores between the options and the authenticator's answer.
//!
//! 1. The key of the row is a hash of two values that the browser sends with the answer: the
//!    challenge, which the authenticator signs, and a secret in a cookie, which binds the ceremony
//!    to the browser. A challenge that is wrong, used or of another browser finds no row.
//! 2. All ceremonies of a browser share the secret, because several tabs may each run one.
//! 3. If the client data is valid, the row is deleted, and then the rest of the answer is verified.
//!    So a challenge is single-use, whatever the outcome.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::SET_COOKIE;
use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tm_auth_core::Refusal;
use tm_auth_proto::{AccountId, ErrorCode};
use tm_auth_store::Ceremony;

use super::client_data::{self, Type};
use super::relying_party::RelyingParty;
use crate::app::App;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name, SameSite};
use crate::random;

/// The lifetime of a ceremony. The options give it to authenticators as their timeout.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// The purpose of a ceremony. A challenge for one purpose is refused for every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SignUp,
    SignIn,
    StepUp,
    Add,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "passkey_sign_up",
            Self::SignIn => "passkey_sign_in",
            Self::StepUp => "passkey_step_up",
            Self::Add => "passkey_add",
        }
    }

    fn client_data_type(self) -> Type {
        match self {
            Self::SignUp | Self::Add => Type::Create,
            Self::SignIn | Self::StepUp => Type::Get,
        }
    }
}

/// Stores a ceremony. Returns the cookie that the browser must send with the answer.
pub(super) async fn begin(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    kind: Kind,
    uid: Option<AccountId>,
    challenge: &[u8],
    state: &impl Serialize,
) -> Result<HeaderMap, ApiError> {
    app.limits.may_begin_ceremony(context)?;
    let secret = browser_secret(app, headers).unwrap_or_else(random::bytes);
    let new = Ceremony {
        id_hash: id_hash(&secret, challenge),
        kind: kind.as_str().into(),
        uid,
        state: serde_json::to_string(state).map_err(ApiError::internal)?,
        expires_at: context.now + LIFETIME,
    };
    app.store.begin_ceremony(new).await?;
    let cookie = cookie::set(
        &app.config.public_url,
        Name::Passkey,
        &URL_SAFE_NO_PAD.encode(secret),
        SameSite::Lax,
    );
    Ok(HeaderMap::from_iter([(SET_COOKIE, cookie)]))
}

/// Verifies the client data of an authenticator's answer, deletes the ceremony that it belongs to,
/// and calls `verify` to verify the rest of the answer.
///
/// `verify` gets the account that began the ceremony, if any, and the state that [`begin`] stored.
/// Only this function gives access to the state, so every endpoint charges a refused answer to the
/// caller's network.
pub(super) async fn finish<S: DeserializeOwned, T>(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    kind: Kind,
    client_data: &[u8],
    verify: impl AsyncFnOnce(Option<AccountId>, S) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let rp = &RelyingParty::of(&app.config)?;
    app.limits.may_finish_passkey(context)?;
    let finished = async {
        let challenge = client_data::read(client_data, kind.client_data_type(), &rp.origin)?;
        let (uid, state) = take(app, context, headers, kind, &challenge).await?;
        verify(uid, state).await
    }
    .await;
    if finished.as_ref().is_err_and(is_failure) {
        app.limits.charge_passkey_failure(context);
    }
    finished
}

/// Whether this error refuses the answer. A failure of the service does not, and a reached rate
/// limit does not.
pub(super) fn is_failure(error: &ApiError) -> bool {
    error.is_refusal() && error.code != ErrorCode::RateLimited
}

/// Deletes the ceremony of this challenge and this browser. Returns its account and its state.
async fn take<S: DeserializeOwned>(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    kind: Kind,
    challenge: &[u8],
) -> Result<(Option<AccountId>, S), ApiError> {
    let over = |cause| ApiError::from(Refusal::CeremonyOver).because(cause);
    let secret = browser_secret(app, headers).ok_or_else(|| over("no cookie of a ceremony"))?;
    let id_hash = id_hash(&secret, challenge);
    let taken = app.store.take_ceremony(id_hash, kind.as_str(), context.now);
    let taken = taken.await?.ok_or_else(|| {
        over("no ceremony of this kind, browser and challenge: it is used, expired or never began")
    })?;
    let state = serde_json::from_str(&taken.state).map_err(ApiError::internal)?;
    Ok((taken.uid, state))
}

/// The secret in the browser's cookie. `None` if the cookie is missing or malformed.
fn browser_secret(app: &App, headers: &HeaderMap) -> Option<[u8; 32]> {
    let value = cookie::read(&app.config.public_url, headers, Name::Passkey)?;
    URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()
}

/// The key of the row. The secret has a fixed length, so different pairs give different inputs to
/// the hash.
fn id_hash(secret: &[u8; 32], challenge: &[u8]) -> [u8; 32] {
    let hash = digest(&SHA256, &[secret, challenge].concat());
    hash.as_ref().try_into().expect("SHA-256 is 32 bytes")
}
