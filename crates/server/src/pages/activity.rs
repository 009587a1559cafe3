//! `GET /activity`: the account's audit trail, newest first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_proto::KeyId;

use super::event::EventView;
use super::page::{Layout, Page, Section};
use crate::app::App;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;

const PER_PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "activity.html")]
pub(crate) struct Activity {
    layout: Layout,
    events: Vec<EventView>,
    is_newest: bool,
    /// In milliseconds. The page of older entries begins before it.
    older: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct Query {
    /// In milliseconds.
    before: i64,
}

pub(crate) async fn activity(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
    query: Result<extract::Query<Query>, QueryRejection>,
) -> Result<Page<Activity>, ApiError> {
    let uid = browser.account.uid;
    let before = query
        .ok()
        .and_then(|extract::Query(query)| Timestamp::from_millisecond(query.before).ok());
    let history = app.store.account_history(uid, before, PER_PAGE).await?;
    let named: HashSet<KeyId> = history.entries.iter().filter_map(|entry| entry.key_id).collect();
    let labels = app.store.api_key_labels(uid, named.into_iter().collect()).await?;
    let labels: HashMap<KeyId, String> = labels.into_iter().collect();
    let events = history
        .entries
        .iter()
        .map(|entry| {
            let key = entry
                .key_id
                .and_then(|key_id| labels.get(&key_id).map(|label| (key_id, label.clone())));
            EventView::of(entry, &browser.account, key, context.now)
        })
        .collect();
    Ok(Page(Activity {
        layout: Layout::new(&app, "Activity")
            .signed_in(&browser.account, &browser.csrf)
            .section(Section::Activity),
        events,
        is_newest: before.is_none(),
        older: history.older.map(Timestamp::as_millisecond),
    }))
}
