//! `GET /api-keys`: the account's keys.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use jiff::Timestamp;
use serde::Deserialize;

use super::api_key_view::KeyView;
use super::page::{Layout, Page, Section};
use crate::app::{App, api_keys};
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;

#[derive(Template)]
#[template(path = "api_keys.html")]
pub(crate) struct List {
    layout: Layout,
    keys: Vec<KeyView>,
    is_newest: bool,
    /// In milliseconds. The next page begins before it.
    older: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct Query {
    /// In milliseconds.
    before: i64,
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
    query: Result<extract::Query<Query>, QueryRejection>,
) -> Result<Page<List>, ApiError> {
    let uid = browser.account.uid;
    let before = query
        .ok()
        .and_then(|extract::Query(query)| Timestamp::from_millisecond(query.before).ok());
    let page = api_keys::list(&app, &context, uid, before).await?;
    let refusals = app.store.refusals_of(uid, context.now).await?;
    // Keys that no longer work stay visible below the others.
    let mut keys: Vec<KeyView> = page
        .live
        .iter()
        .chain(&page.dead)
        .map(|(key, used)| KeyView::of(key, *used, &refusals, context.now))
        .collect();
    keys.sort_by_key(|key| !key.status.usable && !key.status.pending);
    Ok(Page(List {
        layout: Layout::new(&app, "API keys")
            .signed_in(&browser.account, &browser.csrf)
            .section(Section::ApiKeys),
        keys,
        is_newest: before.is_none(),
        older: page.older.map(Timestamp::as_millisecond),
    }))
}
