//! `GET /api-keys`: the account's keys.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;

use super::api_key_view::KeyView;
use super::page::{Layout, Page, Section};
use crate::app::App;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;

#[derive(Template)]
#[template(path = "api_keys.html")]
pub(crate) struct List {
    layout: Layout,
    keys: Vec<KeyView>,
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
) -> Result<Page<List>, ApiError> {
    let uid = browser.account.uid;
    let keys = app.store.api_keys_of(uid).await?;
    let refusals = app.store.refusals_of(uid).await?;
    let mut keys: Vec<KeyView> = keys
        .iter()
        .map(|(key, used)| KeyView::of(key, *used, &refusals, context.now))
        .collect();
    // Keys that no longer work stay visible below the others.
    keys.sort_by_key(|key| !key.status.usable && !key.status.pending);
    Ok(Page(List {
        layout: Layout::new(&app, "API keys")
            .signed_in(&browser.account, &browser.csrf)
            .section(Section::ApiKeys),
        keys,
    }))
}
