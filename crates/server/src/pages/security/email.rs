//! Changing the e-mail address.
//!
//! 1. The owner, who has the strongest proof, enters the new address. A code and a link are sent to
//!    it. The response is the same whether another account has the address or not.
//! 2. The owner enters the code, or opens the link and presses its button, in the same browser and
//!    session. This verifies the address. Only now the response tells whether another account has
//!    it.
//! 3. The store changes the address, which invalidates the codes for the old one. The old address
//!    is notified.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tm_auth_core::email_code::Purpose;
use tm_auth_core::secret::FlowSecret;
use tm_auth_core::{EmailAddress, Refusal};
use tm_auth_proto::ErrorCode;
use tm_auth_store::EmailChange;
use tm_auth_store::email_code::ProvedEmail;

use super::{Done, done, require_strong};
use crate::app::{App, email_code, user_sessions};
use crate::auth::browser::Browser;
use crate::auth::csrf_form::CsrfForm;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name};
use crate::http::device::device;
use crate::pages::next::Next;
use crate::pages::page::{Layout, Page, Section};
use crate::pages::sign_in::Flow;

#[derive(Deserialize)]
pub(crate) struct AddressForm {
    #[serde(default)]
    email: String,
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    #[serde(default)]
    code: String,
    /// A checkbox.
    end_sessions: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct LinkForm {
    #[serde(default)]
    token: String,
    /// A checkbox.
    end_sessions: Option<String>,
}

#[derive(Template)]
#[template(path = "security_email_code.html")]
struct CodePage {
    layout: Layout,
    email: Option<String>,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "security_email_link.html")]
struct LinkPage {
    layout: Layout,
    /// The new address; `None` in a browser that did not ask for the change.
    email: Option<String>,
}

pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    CsrfForm { browser, form }: CsrfForm<AddressForm>,
) -> Result<Response, ApiError> {
    require_strong(&app, &context, &browser).await?;
    let email = EmailAddress::parse(&form.email)?;
    let flow = Flow::begin(&app, &context, &headers, &email, Next::parse("/security")).await?;
    let purpose = Purpose::SetEmail(browser.account.uid);
    email_code::mail(
        &app,
        &context,
        &device(&headers),
        email,
        purpose,
        Some(&flow.secret),
    )
    .await?;
    let cookie = [(SET_COOKIE, flow.cookie(&app))];
    Ok((cookie, Redirect::to("/security/email/code")).into_response())
}

pub(crate) async fn code(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    browser: Browser,
) -> Result<Response, ApiError> {
    code_page(&app, &context, &headers, &browser, None).await
}

pub(crate) async fn by_code(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    CsrfForm { browser, form }: CsrfForm<CodeForm>,
) -> Result<Response, ApiError> {
    require_strong(&app, &context, &browser).await?;
    app.limits.charge_change(&context, browser.account.uid)?;
    let flow = Flow::read(&app, &headers).ok_or(Refusal::InvalidCode)?;
    let purpose = Purpose::SetEmail(browser.account.uid);
    match email_code::by_code(&app, &context, flow.codes(), purpose, &form.code).await {
        Ok(proved) => set(&app, &context, &browser, proved, form.end_sessions.is_some()).await,
        Err(error) if error.code == ErrorCode::InvalidCode => {
            let error = "This code is wrong, used or expired. Use the code of the newest e-mail, or ask for another one.";
            let page = code_page(&app, &context, &headers, &browser, Some(error)).await?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(error) => Err(error),
    }
}

/// Needs no login: another browser that opens the link shows the code to enter in the first one.
pub(crate) async fn link(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    browser: Result<Browser, ApiError>,
) -> Result<Response, ApiError> {
    let browser = match browser {
        Ok(browser) => Some(browser),
        Err(error) if error.code == ErrorCode::MissingSession => None,
        Err(error) => return Err(error),
    };
    let email = match &browser {
        Some(browser) => requested_address(&app, &context, &headers, browser).await?,
        None => None,
    };
    let title = if email.is_some() {
        "Change your e-mail address"
    } else {
        "Your code"
    };
    let mut layout = Layout::new(&app, title).narrow().script("sign-in-link.js");
    if let Some(browser) = &browser {
        layout = layout.signed_in(&browser.account, &browser.csrf);
    }
    Ok(Page(LinkPage { layout, email }).into_response())
}

pub(crate) async fn by_link(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    CsrfForm { browser, form }: CsrfForm<LinkForm>,
) -> Result<Response, ApiError> {
    require_strong(&app, &context, &browser).await?;
    app.limits.charge_change(&context, browser.account.uid)?;
    let flow = Flow::read(&app, &headers).ok_or(Refusal::InvalidCode)?;
    let token = FlowSecret::decode(&form.token).ok_or(Refusal::InvalidCode)?;
    let purpose = Purpose::SetEmail(browser.account.uid);
    let proved = email_code::by_link(&app, &context, &token, &flow.secret, purpose).await?;
    set(&app, &context, &browser, proved, form.end_sessions.is_some()).await
}

async fn set(
    app: &App,
    context: &Context,
    browser: &Browser,
    proved: ProvedEmail,
    end_others: bool,
) -> Result<Response, ApiError> {
    let account = &browser.account;
    let audit_context = context.audit_context(account.uid);
    match app.store.set_email(proved, &audit_context).await? {
        EmailChange::Changed(_) => {
            app.api_keys.forget(&tm_auth_store::Change::Account(account.uid));
            if end_others {
                user_sessions::end_others(app, context, account, browser.session.sid).await?;
            }
            app.mail.send_waiting().await;
        }
        EmailChange::Unchanged => {}
        EmailChange::Taken => return Err(Refusal::AddressInCooldown.into()),
        EmailChange::NoAccount => return Err(Refusal::AccountDisabled.into()),
    }
    let cookie = [(SET_COOKIE, cookie::clear(&app.config.public_url, Name::Flow))];
    Ok((cookie, done(Done::Email)).into_response())
}

async fn code_page(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    browser: &Browser,
    error: Option<&'static str>,
) -> Result<Response, ApiError> {
    let page = CodePage {
        layout: Layout::new(app, "Verify the new address")
            .section(Section::Security)
            .signed_in(&browser.account, &browser.csrf)
            .narrow(),
        email: requested_address(app, context, headers, browser).await?,
        error,
    };
    Ok(Page(page).into_response())
}

/// The new address for which this browser and account have a valid code.
async fn requested_address(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    browser: &Browser,
) -> Result<Option<String>, ApiError> {
    let Some(flow) = Flow::read(app, headers) else {
        return Ok(None);
    };
    let purpose = Purpose::SetEmail(browser.account.uid);
    let stored = flow.stored(app, context).await?;
    Ok(stored
        .filter(|stored| stored.purpose == purpose)
        .map(|stored| stored.email.into()))
}
