//! Deletes the account. The page says what is lost. The user must type the account's name and have
//! the strongest proof.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::overview::{Missing, missing};
use super::require_strong;
use crate::app::App;
use crate::auth::browser::Browser;
use crate::auth::csrf_form::CsrfForm;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::pages::page::{Layout, Page, Section, account_name};
use crate::pages::sign_out::signed_out;

#[derive(Deserialize)]
pub(crate) struct DeleteForm {
    #[serde(default)]
    name: String,
}

#[derive(Template)]
#[template(path = "security_delete.html")]
struct Delete {
    layout: Layout,
    /// The name that the user must type.
    name: String,
    missing: Option<Missing>,
    live_keys: usize,
    error: Option<&'static str>,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
) -> Result<Response, ApiError> {
    Ok(Page(page(&app, &context, &browser, None).await?).into_response())
}

pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    context: Context,
    CsrfForm { browser, form }: CsrfForm<DeleteForm>,
) -> Result<Response, ApiError> {
    app.limits.charge_removal(&context, browser.account.uid)?;
    require_strong(&app, &context, &browser).await?;
    let name = account_name(&browser.account);
    if form.name.trim() != name {
        let page = page(
            &app,
            &context,
            &browser,
            Some("This is not the name shown above. Nothing was deleted."),
        );
        return Ok((StatusCode::BAD_REQUEST, Page(page.await?)).into_response());
    }
    let uid = browser.account.uid;
    let audit_context = context.audit_context(uid);
    if app.store.delete_account(uid, &audit_context).await? {
        app.api_keys.forget(&tm_auth_store::Change::Account(uid));
        app.take_over_changes().await?;
        app.mail.send_waiting().await;
    }
    Ok((signed_out(&app), Redirect::to("/sign-in")).into_response())
}

async fn page(
    app: &App,
    context: &Context,
    browser: &Browser,
    error: Option<&'static str>,
) -> Result<Delete, ApiError> {
    let live = app.store.live_api_keys(browser.account.uid, context.now).await?;
    Ok(Delete {
        layout: Layout::new(app, "Delete your account")
            .section(Section::Security)
            .signed_in(&browser.account, &browser.csrf)
            .middle(),
        name: account_name(&browser.account),
        missing: missing(app, context, browser).await?,
        live_keys: live.len(),
        error,
    })
}
