//! `/api-keys/{key_id}`: one key, its history, and the forms that edit, disable and revoke it.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{KeyFile, KeyId, UpdateApiKey};

use super::api_key_settings::{Errors, Settings, SettingsView};
use super::api_key_view::{KeyView, RefusalView};
use super::event::EventView;
use super::page::{Layout, Page, Section, Tone};
use crate::api::api_keys::KeyIdPath;
use crate::app::App;
use crate::app::api_keys;
use crate::app::management::Management;
use crate::auth::browser::Browser;
use crate::auth::csrf_form::{CsrfForm, Empty};
use crate::error::ApiError;
use crate::http::context::Context;

/// Entries of the history on one page.
const EVENTS: u32 = 20;

#[derive(Template)]
#[template(path = "api_key.html")]
pub(crate) struct Details {
    layout: Layout,
    key: KeyView,
    first_token: Option<FirstToken>,
    refusals: Vec<RefusalView>,
    events: Vec<EventView>,
    is_newest: bool,
    /// In milliseconds. The page of older events begins before it.
    older: Option<i64>,
}

/// The commands that get the first token with an unused key.
struct FirstToken {
    downloaded: String,
    adopted: String,
    openssl: String,
}

impl FirstToken {
    fn of(app: &App, key_id: KeyId) -> Self {
        let (origin, issuer) = (app.config.public_url.origin(), &app.issuer.url);
        let file = KeyFile::name(key_id);
        let tm_auth = &app.config.pages.command;
        let mint = format!("{tm_auth} token --base-url {origin} --key-file {file}");
        Self {
            adopted: format!(
                "{tm_auth} key adopt --key-file truemarkets-api-key.json --key-id {key_id}\n{mint}"
            ),
            downloaded: mint,
            openssl: format!(
                "NOW=$(date +%s)\n\
                 SIGNATURE=$(printf %s {key_id}.$NOW | openssl dgst -sha256 -sign truemarkets-key.pem | openssl base64 -A)\n\
                 curl -sS {issuer}/api-key/token -H 'Content-Type: application/json' \\\n  \
                 -d \"{{\\\"key_id\\\":\\\"{key_id}\\\",\\\"timestamp\\\":$NOW,\\\"signature\\\":\\\"$SIGNATURE\\\"}}\""
            ),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    /// The change just made; [`done_sentence`] knows its values.
    done: String,
    /// In milliseconds. The history shows entries before it.
    before: Option<i64>,
}

pub(crate) async fn details(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
    KeyIdPath(key_id): KeyIdPath,
    query: Result<extract::Query<Query>, QueryRejection>,
) -> Result<Page<Details>, ApiError> {
    let uid = browser.account.uid;
    let (key, used) = api_keys::find(&app, &Management::of(&browser), key_id).await?;
    let refusals = app.store.refusals_of_key(key_id).await?;
    let query = query.ok().map(|extract::Query(query)| query).unwrap_or_default();
    let before = query
        .before
        .and_then(|before| Timestamp::from_millisecond(before).ok());
    let history = app.store.key_history(uid, key_id, before, EVENTS).await?;
    let mut layout = layout(&app, &browser, &key.label).wide().script("copy.js");
    if let Some(text) = done_sentence(&query.done) {
        layout = layout.notice(Tone::Done, text);
    }
    let view = KeyView::of(&key, used, &refusals, context.now);
    if view.status.pending {
        let text = format!(
            "You did not confirm that the key file is saved, so programs cannot use this key. It will be deleted {}. \
             Create another key instead.",
            view.pending_until.relative()
        );
        layout = layout.notice(Tone::Warning, text);
    }
    Ok(Page(Details {
        key: view,
        first_token: (used.is_none() && key.status(context.now) == ApiKeyStatus::Active)
            .then(|| FirstToken::of(&app, key_id)),
        refusals: refusals
            .iter()
            .map(|refusal| RefusalView::of(refusal, context.now))
            .collect(),
        events: history
            .entries
            .iter()
            .map(|entry| EventView::of(entry, &browser.account, None, context.now))
            .collect(),
        is_newest: before.is_none(),
        older: history.older.map(Timestamp::as_millisecond),
        layout,
    }))
}

fn done_sentence(done: &str) -> Option<&'static str> {
    Some(match done {
        "registered" => "The key is registered and active.",
        "changed" => "The change is saved.",
        "disabled" => "The key is disabled. Programs cannot use it until you enable it again.",
        "enabled" => "The key is enabled again.",
        "revoked" => "The key is revoked. Programs can no longer use it.",
        _ => return None,
    })
}

#[derive(Template)]
#[template(path = "api_key_edit.html")]
pub(crate) struct Edit {
    layout: Layout,
    key_id: KeyId,
    label: String,
    settings: SettingsView,
}

pub(crate) async fn edit(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
    KeyIdPath(key_id): KeyIdPath,
) -> Result<Page<Edit>, ApiError> {
    let management = Management::of(&browser);
    // Demand the proof before the user fills in the form, not after.
    management.require_strong(&app, context.now).await?;
    let (key, _) = api_keys::find(&app, &management, key_id).await?;
    let settings = Settings::of(&key).view(Errors::default(), context.address);
    Ok(Page(Edit {
        layout: layout(&app, &browser, &key.label),
        key_id,
        label: key.label,
        settings,
    }))
}

pub(crate) async fn save(
    State(app): State<Arc<App>>,
    context: Context,
    KeyIdPath(key_id): KeyIdPath,
    CsrfForm { browser, form }: CsrfForm<Settings>,
) -> Result<Response, ApiError> {
    let management = Management::of(&browser);
    let (key, _) = api_keys::find(&app, &management, key_id).await?;
    // The form has whole seconds: keep the milliseconds of an expiry that did not change.
    let untouched = form.expires_at == Settings::of(&key).expires_at;
    let saved = async {
        let change = UpdateApiKey {
            label: Some(form.label.clone()),
            scopes: Some(form.scopes()),
            expires_at: if untouched { None } else { Some(form.expiry()?) },
            allowed_ips: Some(form.networks()),
            disabled: None,
        };
        api_keys::update(&app, &context, &management, key_id, &change).await
    };
    let Err(error) = saved.await else {
        return Ok(back(key_id, "changed").into_response());
    };
    let status = error.status();
    let errors = Errors::of(error)?;
    let mut layout = layout(&app, &browser, &key.label);
    if let Some(other) = &errors.other {
        layout = layout.notice(Tone::Problem, other.clone());
    }
    let page = Page(Edit {
        layout,
        key_id,
        label: key.label,
        settings: form.view(errors, context.address),
    });
    Ok((status, page).into_response())
}

pub(crate) async fn disable(
    State(app): State<Arc<App>>,
    context: Context,
    KeyIdPath(key_id): KeyIdPath,
    CsrfForm { browser, .. }: CsrfForm<Empty>,
) -> Result<Redirect, ApiError> {
    set_disabled(&app, &context, &browser, key_id, true).await?;
    Ok(back(key_id, "disabled"))
}

pub(crate) async fn enable(
    State(app): State<Arc<App>>,
    context: Context,
    KeyIdPath(key_id): KeyIdPath,
    CsrfForm { browser, .. }: CsrfForm<Empty>,
) -> Result<Redirect, ApiError> {
    set_disabled(&app, &context, &browser, key_id, false).await?;
    Ok(back(key_id, "enabled"))
}

async fn set_disabled(
    app: &App,
    context: &Context,
    browser: &Browser,
    key_id: KeyId,
    disabled: bool,
) -> Result<(), ApiError> {
    let change = UpdateApiKey {
        disabled: Some(disabled),
        ..UpdateApiKey::default()
    };
    api_keys::update(app, context, &Management::of(browser), key_id, &change).await?;
    Ok(())
}

#[derive(Template)]
#[template(path = "api_key_revoke.html")]
pub(crate) struct Revoke {
    layout: Layout,
    key: KeyView,
}

/// Says what revocation breaks before the user confirms it.
pub(crate) async fn confirm_revocation(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
    KeyIdPath(key_id): KeyIdPath,
) -> Result<Page<Revoke>, ApiError> {
    let (key, used) = api_keys::find(&app, &Management::of(&browser), key_id).await?;
    Ok(Page(Revoke {
        layout: layout(&app, &browser, &format!("Revoke {}", key.label)),
        key: KeyView::of(&key, used, &[], context.now),
    }))
}

pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    context: Context,
    KeyIdPath(key_id): KeyIdPath,
    CsrfForm { browser, .. }: CsrfForm<Empty>,
) -> Result<Redirect, ApiError> {
    api_keys::revoke(&app, &context, &Management::of(&browser), key_id).await?;
    Ok(back(key_id, "revoked"))
}

fn back(key_id: KeyId, done: &str) -> Redirect {
    Redirect::to(&format!("/api-keys/{key_id}?done={done}"))
}

fn layout(app: &App, browser: &Browser, title: &str) -> Layout {
    Layout::new(app, title)
        .signed_in(&browser.account, &browser.csrf)
        .section(Section::ApiKeys)
        .middle()
}
