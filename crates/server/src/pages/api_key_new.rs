//! `/api-keys/new`: a new key, created in one of two ways.
//!
//! In this browser: `static/api-key-new.js` creates the key pair, registers it as pending through
//! the API, offers the key file for download, and activates the key when the user confirms that the
//! file is saved.
//!
//! Somewhere else:
//!
//! 1. The user pastes the public key.
//! 2. The page shows the text that proves possession of the private key, and the commands that sign
//!    it.
//! 3. The signature registers the key, which is active at once.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_core::api_key::address;
use tm_auth_core::registration::PROOF_TOLERANCE;
use tm_auth_core::{PublicKey, Refusal, label};
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::{ErrorCode, PublicKeyInput, RegisterApiKey, challenge};

use super::api_key_settings::{Errors, Settings, SettingsView};
use super::page::{Layout, Page, Section, Tone};
use crate::app::App;
use crate::app::api_keys::{self, default_end, future, some_scope};
use crate::app::management::Management;
use crate::auth::browser::Browser;
use crate::auth::csrf_form::CsrfForm;
use crate::error::ApiError;
use crate::http::context::Context;

#[derive(Template)]
#[template(path = "api_key_new.html")]
pub(crate) struct New {
    layout: Layout,
    settings: SettingsView,
    public_key: String,
    public_key_error: Option<String>,
    issuer: String,
    uid: String,
    /// The name under which shell commands call `tm-auth`.
    tm_auth: String,
    /// The service's time in Unix seconds: the browser's clock may be wrong.
    now: i64,
}

pub(crate) async fn new(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
) -> Result<Page<New>, ApiError> {
    // Demand the proof before the user fills in the form, not after.
    Management::of(&browser).require_strong(&app, context.now).await?;
    let settings = Settings::proposed(default_end(&app, context.now));
    Ok(Page(form(
        &app,
        &context,
        &browser,
        settings,
        Errors::default(),
        String::new(),
    )))
}

fn form(
    app: &App,
    context: &Context,
    browser: &Browser,
    settings: Settings,
    mut errors: Errors,
    public_key: String,
) -> New {
    let mut layout = layout(app, browser, "New API key")
        .script("copy.js")
        .script("api-key-new.js");
    if let Some(other) = &errors.other {
        layout = layout.notice(Tone::Problem, other.clone());
    }
    New {
        layout,
        public_key,
        public_key_error: errors.public_key.take(),
        settings: settings.view(errors, context.address),
        issuer: app.issuer.url.clone(),
        uid: browser.account.uid.to_string(),
        tm_auth: app.config.pages.command.clone(),
        now: context.now.as_second(),
    }
}

/// The field of step 1, besides the settings.
#[derive(Deserialize)]
pub(crate) struct PublicKeyField {
    #[serde(default)]
    public_key: String,
}

/// The key to register, as the user entered it.
struct EnteredKey {
    settings: Settings,
    public_key: String,
}

pub(crate) async fn paste(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm {
        browser,
        form: (settings, PublicKeyField { public_key }),
    }: CsrfForm<(Settings, PublicKeyField)>,
) -> Result<Response, ApiError> {
    let entered = EnteredKey { settings, public_key };
    Management::of(&browser).require_strong(&app, context.now).await?;
    let error = match check(&entered, context.now) {
        Ok(key) => {
            let page = proof_page(
                &app,
                &context,
                &browser,
                &entered,
                &key,
                context.now.as_second(),
                None,
            );
            return Ok(Page(page).into_response());
        }
        Err(error) => error,
    };
    // Do not echo a private key.
    let shown = if error.code == ErrorCode::PrivateKeySubmitted {
        String::new()
    } else {
        entered.public_key
    };
    let status = error.status();
    let page = form(
        &app,
        &context,
        &browser,
        entered.settings,
        Errors::of(error)?,
        shown,
    );
    Ok((status, Page(page)).into_response())
}

/// Checks all that registration requires except the proof, so that the user signs only for a key
/// that can be registered.
fn check(entered: &EnteredKey, now: Timestamp) -> Result<PublicKey, ApiError> {
    // First: a pasted private key is reported whatever else is wrong.
    let key = PublicKey::parse(&PublicKeyInput::Text(entered.public_key.clone()));
    if let Err(private @ Refusal::PrivateKeySubmitted(_)) = key {
        return Err(private.into());
    }
    label::parse(&entered.settings.label)?;
    some_scope(entered.settings.scopes())?;
    future(entered.settings.expiry()?, now)?;
    address::parse(&entered.settings.networks())?;
    Ok(key?)
}

#[derive(Template)]
#[template(path = "api_key_proof.html")]
pub(crate) struct Proof {
    layout: Layout,
    hidden_fields: Vec<(&'static str, String)>,
    label: String,
    fingerprint: String,
    text: String,
    with_tm_auth: String,
    with_openssl: String,
    until: super::words::Instant,
    error: Option<String>,
}

fn proof_page(
    app: &App,
    context: &Context,
    browser: &Browser,
    entered: &EnteredKey,
    key: &PublicKey,
    timestamp: i64,
    error: Option<String>,
) -> Proof {
    let (issuer, uid) = (&app.issuer.url, browser.account.uid);
    let fingerprint = key.fingerprint();
    let text = challenge::registration(issuer, uid, &fingerprint, timestamp);
    let mut hidden_fields = entered.settings.hidden_fields();
    hidden_fields.push(("public_key", entered.public_key.clone()));
    hidden_fields.push(("timestamp", timestamp.to_string()));
    let until = Timestamp::from_second(timestamp).map_or(context.now, |at| at + PROOF_TOLERANCE);
    Proof {
        layout: layout(app, browser, "Prove possession of the key").script("copy.js"),
        hidden_fields,
        label: entered.settings.label.clone(),
        with_tm_auth: format!(
            "{} key prove --key-file truemarkets-api-key.json --issuer {issuer} --account {uid} --timestamp {timestamp}",
            app.config.pages.command
        ),
        with_openssl: format!(
            "printf '{}' |\n  openssl dgst -sha256 -sign truemarkets-key.pem | openssl base64 -A",
            text.replace('\n', "\\n")
        ),
        text,
        fingerprint,
        until: super::words::Instant::new(until, context.now),
        error,
    }
}

/// The fields of step 3, besides those of step 1.
#[derive(Deserialize)]
pub(crate) struct ProofFields {
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    signature: String,
}

pub(crate) async fn prove(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm {
        browser,
        form: (settings, PublicKeyField { public_key }, proof),
    }: CsrfForm<(Settings, PublicKeyField, ProofFields)>,
) -> Result<Response, ApiError> {
    let entered = EnteredKey { settings, public_key };
    let timestamp = proof.timestamp.parse().unwrap_or_default();
    let registered = async {
        let request = RegisterApiKey {
            label: entered.settings.label.clone(),
            public_key: PublicKeyInput::Text(entered.public_key.clone()),
            proof: RegistrationProof {
                timestamp,
                signature: proof.signature.clone(),
            },
            scopes: Some(entered.settings.scopes()),
            expires_at: Some(entered.settings.expiry()?),
            allowed_ips: entered.settings.networks(),
            pending: false,
        };
        api_keys::register(&app, &context, &Management::of(&browser), &request).await
    };
    let error = match registered.await {
        Ok(key) => {
            let target = format!("/api-keys/{}?done=registered", key.key_id);
            return Ok(Redirect::to(&target).into_response());
        }
        Err(error) => error,
    };
    let (status, code) = (error.status(), error.code);
    let errors = Errors::of(error)?;
    let Ok(key) = PublicKey::parse(&PublicKeyInput::Text(entered.public_key.clone())) else {
        let page = form(&app, &context, &browser, entered.settings, errors, String::new());
        return Ok((status, Page(page)).into_response());
    };
    match errors.signature {
        // Show the same text again, unless it has expired.
        Some(problem) => {
            let (timestamp, problem) = if code == ErrorCode::TimestampOutOfRange {
                let problem = "The text you signed has expired. Sign the new one.".to_owned();
                (context.now.as_second(), problem)
            } else {
                (timestamp, problem)
            };
            let page = proof_page(&app, &context, &browser, &entered, &key, timestamp, Some(problem));
            Ok((status, Page(page)).into_response())
        }
        None => {
            let shown = entered.public_key;
            let page = form(&app, &context, &browser, entered.settings, errors, shown);
            Ok((status, Page(page)).into_response())
        }
    }
}

fn layout(app: &App, browser: &Browser, title: &str) -> Layout {
    Layout::new(app, title)
        .signed_in(&browser.account, &browser.csrf)
        .section(Section::ApiKeys)
}
