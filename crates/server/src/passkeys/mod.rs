//! Passkeys: WebAuthn Level 3, as a relying party.
//!
//! 1. The browser's script fetches options (`…/options`) with a fresh challenge. The server stores
//!    a [`ceremony`] under it.
//! 2. The authenticator answers, and the script posts its answer.
//! 3. The server deletes the ceremony, so that its challenge is single-use. Then it verifies the
//!    answer: [`registration`] by section 7.1 of the standard, [`assertion`] by section 7.2.
//!
//! The routes exchange JSON with `static/passkey.js`. They belong to the pages, not to the API:
//!
//! - [`sign_up`] creates an account with its first passkey.
//! - [`sign_in`] logs a user in, or proves a logged-in user again (step-up).
//! - [`add`] and [`manage`] add, rename and remove passkeys.
//!
//! Passkeys are discoverable credentials with user verification, for ES256 or RS256. The service
//! requests no attestation and trusts none.

mod add;
mod answer;
mod assertion;
mod attestation;
mod authenticator_data;
mod cbor;
mod ceremony;
mod client_data;
mod manage;
mod public_key;
mod refused;
mod registration;
mod relying_party;
mod sign_in;
mod sign_up;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use tm_auth_proto::ErrorCode;
use tm_auth_store::passkey::Passkey;

pub(crate) use self::relying_party::RelyingParty;
use crate::app::App;
use crate::error::ApiError;
use crate::http::device::device;

/// The routes for the scripts and forms of the pages.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/passkeys/sign-up/options", post(sign_up::options))
        .route("/passkeys/sign-up", post(sign_up::finish))
        .route("/passkeys/sign-in/options", post(sign_in::options))
        .route("/passkeys/sign-in", post(sign_in::finish))
        .route("/passkeys/step-up/options", post(sign_in::step_up_options))
        .route("/passkeys/step-up", post(sign_in::step_up))
        .route("/passkeys/add/options", post(add::options))
        .route("/passkeys/add", post(add::finish))
        .route("/passkeys/rename", post(manage::rename))
        .route("/passkeys/remove", post(manage::remove))
}

/// The maximum number of passkeys per account, more than a user has devices.
pub(crate) const MOST_PASSKEYS: u32 = 20;

/// How the browser reaches the passkey's authenticator. This is a hint for the browser.
fn transports_of(passkey: &Passkey) -> Vec<String> {
    assertion::read_record(passkey).map_or_else(|_| Vec::new(), |record| record.transports)
}

/// The name of a passkey whose owner gives it none: the browser and its system.
fn default_name(headers: &HeaderMap) -> String {
    device(headers)
}

/// The error if the session of the answer is of another account than the one that began the
/// ceremony.
fn begun_by_another() -> ApiError {
    let message = "this was begun by another account; log in again";
    ApiError::with_message(ErrorCode::ReauthRequired, message.to_owned())
}

/// Encodes a binary member of the JSON as base64url without padding.
fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
