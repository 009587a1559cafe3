//! What is remembered between the options and the answer.
//!
//! The row is found by a hash over two things that come back: the challenge, which the authenticator signed over,
//! and a secret in a cookie, which ties the answer to the browser that asked. So there is nothing to compare: a
//! wrong challenge, a used one and one of another browser find no row. The secret stays for all ceremonies of the
//! browser, since several tabs may run one each. The row is taken before anything is judged: a challenge serves
//! once, whatever comes of it.

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

use super::client_data::{self, Ran};
use crate::app::App;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name, SameSite};
use crate::random;

/// How long a person may take. Authenticators are told the same.
pub(super) const LIFE: SignedDuration = SignedDuration::from_mins(5);

/// What a ceremony is for; none serves another.
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

    fn ran(self) -> Ran {
        match self {
            Self::SignUp | Self::Add => Ran::Create,
            Self::SignIn | Self::StepUp => Ran::Get,
        }
    }
}

/// Remembers one, and gives the cookie that its answer must come with.
pub(super) async fn begin(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    kind: Kind,
    uid: Option<AccountId>,
    challenge: &[u8],
    state: &impl Serialize,
) -> Result<HeaderMap, ApiError> {
    app.limits.may_begin_passkey(context)?;
    let secret = browser_secret(app, headers).unwrap_or_else(random::bytes);
    let new = Ceremony {
        id_hash: id_hash(&secret, challenge),
        kind: kind.as_str().into(),
        uid,
        state: serde_json::to_string(state).map_err(ApiError::internal)?,
        expires_at: context.now + LIFE,
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

/// Takes the ceremony that an authenticator's answer belongs to, and lets `judge` judge the answer: it gets the account
/// for which the ceremony was begun, if any, and the state that [`begin`] was given.
///
/// This is the only way to a ceremony's state, so whatever endpoint an answer is sent to, a refusal is charged to the
/// network that it came from.
pub(super) async fn finish<S: DeserializeOwned, T>(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    kind: Kind,
    client_data: &[u8],
    judge: impl AsyncFnOnce(Option<AccountId>, S) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let rp = app.passkeys()?;
    app.limits.may_finish_passkey(context)?;
    let finished = async {
        let challenge = client_data::read(client_data, kind.ran(), &rp.origin)?;
        let (uid, state) = take(app, context, headers, kind, &challenge).await?;
        judge(uid, state).await
    }
    .await;
    if finished.as_ref().is_err_and(is_failure) {
        app.limits.charge_passkey_failure(context);
    }
    finished
}

/// Whether an answer was judged and refused: neither a failure of this service nor a limit says anything about it.
pub(super) fn is_failure(error: &ApiError) -> bool {
    error.is_refusal() && error.code != ErrorCode::RateLimited
}

async fn take<S: DeserializeOwned>(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    kind: Kind,
    challenge: &[u8],
) -> Result<(Option<AccountId>, S), ApiError> {
    let over = || ApiError::from(Refusal::CeremonyOver);
    let secret = browser_secret(app, headers).ok_or_else(over)?;
    let id_hash = id_hash(&secret, challenge);
    let taken = app.store.take_ceremony(id_hash, kind.as_str(), context.now);
    let taken = taken.await?.ok_or_else(over)?;
    let state = serde_json::from_str(&taken.state).map_err(ApiError::internal)?;
    Ok((taken.uid, state))
}

fn browser_secret(app: &App, headers: &HeaderMap) -> Option<[u8; 32]> {
    let value = cookie::read(&app.config.public_url, headers, Name::Passkey)?;
    URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()
}

/// Both are 32 bytes, so the two cannot run into each other.
fn id_hash(secret: &[u8; 32], challenge: &[u8]) -> [u8; 32] {
    let hash = digest(&SHA256, &[secret, challenge].concat());
    hash.as_ref().try_into().expect("SHA-256 is 32 bytes")
}
