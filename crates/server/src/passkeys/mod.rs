//! Passkeys: WebAuthn Level 3, as a relying party.
//!
//! A browser asks for options (`…/options`), lets its authenticator answer, and brings the answer back. Routes take
//! and give JSON, for `static/passkey.js`; they are part of the pages, not of the API.
//!
//! - [`sign_up`]: an account that begins with a passkey.
//! - [`sign_in`]: proving who one is; at a step-up, again.
//! - [`add`], [`manage`]: more of them, other names, fewer.
//!
//! Below: [`ceremony`] remembers a challenge once, [`client_data`] and [`authenticator_data`] read what was signed,
//! [`registration`] and [`assertion`] judge it as sections 7.1 and 7.2 of the standard say.
//!
//! Discoverable credentials with user verification, ES256 or RS256, attestation neither asked for nor believed.

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
mod sign_in;
mod sign_up;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use tm_auth_proto::ErrorCode;
use tm_auth_store::passkey::Passkey;

use crate::app::App;
use crate::config::Config;
use crate::error::ApiError;
use crate::http::device::device;

/// Scripts and forms of our pages come here.
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

/// More than anybody has devices.
pub(crate) const MOST_PASSKEYS: u32 = 20;

/// This service, to authenticators.
pub(crate) struct RelyingParty {
    /// A domain; passkeys belong to it for ever.
    id: String,
    id_hash: Vec<u8>,
    /// Where they are used: the one origin of our pages.
    origin: String,
}

impl RelyingParty {
    /// `None` if the host of the public URL is an IP address: passkeys belong to domains.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let id = config.passkeys.rp_id(&config.public_url);
        is_domain(config.public_url.host()).then(|| Self {
            id: id.to_owned(),
            id_hash: digest(&SHA256, id.as_bytes()).as_ref().to_vec(),
            origin: config.public_url.origin().to_owned(),
        })
    }
}

/// Browsers take a host whose last label is a number for an IPv4 address. An IPv6 address has brackets.
fn is_domain(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.starts_with('[') && !last.bytes().all(|b| b.is_ascii_digit())
}

/// How the authenticator of a passkey can be reached: a hint for the browser.
fn transports_of(passkey: &Passkey) -> Vec<String> {
    assertion::read_record(passkey).map_or_else(|_| Vec::new(), |record| record.transports)
}

/// What a passkey is called whose owner gave it no name.
fn default_name(headers: &HeaderMap) -> String {
    device(headers)
}

/// Who a ceremony is for says the session, at its beginning and at its end.
fn begun_by_another() -> ApiError {
    let message = "this was begun by another account; sign in again";
    ApiError::with_message(ErrorCode::ReauthRequired, message.to_owned())
}

/// Binary members of JSON.
fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
