//! `GET /activity`: the account's audit trail, newest first.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use serde::Deserialize;
use tm_auth_proto::KeyId;

use super::event::EventView;
use super::page::{Layout, Page, Section};
use crate::app::App;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;

const PER_PAGE: u32 = 50;
/// Bounds how much of the trail one request reads.
const LAST_PAGE: u32 = 40;

#[derive(Template)]
#[template(path = "activity.html")]
pub(crate) struct Activity {
    layout: Layout,
    events: Vec<EventView>,
    newer: Option<u32>,
    older: Option<u32>,
}

#[derive(Deserialize)]
pub(crate) struct Query {
    page: u32,
}

pub(crate) async fn activity(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
    query: Result<extract::Query<Query>, QueryRejection>,
) -> Result<Page<Activity>, ApiError> {
    let uid = browser.account.uid;
    let page = query
        .ok()
        .map_or(1, |extract::Query(query)| query.page.clamp(1, LAST_PAGE));
    let before = (page - 1) * PER_PAGE;
    // One more entry than the page shows tells whether there is a next page.
    let trail = app.store.audit_trail(Some(uid), before + PER_PAGE + 1).await?;
    let older = trail.len() > (before + PER_PAGE) as usize && page < LAST_PAGE;
    let keys = app.store.api_keys_of(uid).await?;
    let labels: HashMap<KeyId, &str> = keys
        .iter()
        .map(|(key, _)| (key.key_id, key.label.as_str()))
        .collect();
    let events = trail
        .iter()
        .skip(before as usize)
        .take(PER_PAGE as usize)
        .map(|entry| {
            let key = entry
                .key_id
                .and_then(|key_id| labels.get(&key_id).map(|label| (key_id, (*label).to_owned())));
            EventView::of(entry, &browser.account, key, context.now)
        })
        .collect();
    Ok(Page(Activity {
        layout: Layout::new(&app, "Activity")
            .signed_in(&browser.account, &browser.csrf)
            .section(Section::Activity),
        events,
        newer: (page > 1).then(|| page - 1),
        older: older.then(|| page + 1),
    }))
}
