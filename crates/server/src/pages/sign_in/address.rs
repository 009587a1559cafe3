//! `/sign-in`: the login page, which asks for an e-mail address or a passkey.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tm_auth_core::email_code::Purpose;
use tm_auth_core::{EmailAddress, Refusal};
use tm_auth_proto::ErrorCode;

use super::Flow;
use crate::app::App;
use crate::app::email_code;
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::device::device;
use crate::http::form::Form;
use crate::pages::next::Next;
use crate::pages::page::{Layout, Page};
use crate::passkeys::RelyingParty;

#[derive(Deserialize)]
pub(crate) struct Query {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct AddressForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "sign_in_address.html")]
struct Address {
    layout: Layout,
    next: Next,
    email: String,
    error: Option<String>,
    /// The CSRF token of the session, if a logged-in user confirms that it is them.
    again: Option<String>,
    mail: bool,
    apple: bool,
    passkeys: bool,
}

impl Address {
    fn new(app: &App, next: Next) -> Self {
        let (layout, passkeys) = (
            Layout::new(app, "Log in").narrow(),
            RelyingParty::of(&app.config).is_ok(),
        );
        Self {
            layout: if passkeys {
                layout.script("passkey.js")
            } else {
                layout
            },
            passkeys,
            next,
            email: String::new(),
            error: None,
            again: None,
            mail: app.mail.is_available(),
            apple: app.config.apple.is_some(),
        }
    }

    /// Changes the page for a logged-in user, who can only confirm with a login method of the same
    /// account.
    async fn confirm(&mut self, app: &App, browser: Browser) -> Result<(), ApiError> {
        "Confirm that it is you".clone_into(&mut self.layout.title);
        self.passkeys &= app.store.has_passkey(browser.account.uid).await?;
        self.again = Some(browser.csrf);
        // Without an address the form could only log in to another account.
        self.mail &= browser.account.email.is_some();
        self.email = browser.account.email.unwrap_or_default();
        Ok(())
    }
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    signed_in: Result<Browser, ApiError>,
    query: Result<extract::Query<Query>, QueryRejection>,
) -> Result<Response, ApiError> {
    let next = Next::parse(query.as_ref().map_or("", |extract::Query(query)| &query.next));
    let mut page = Address::new(&app, next);
    match signed_in {
        Ok(browser) => page.confirm(&app, browser).await?,
        Err(error) if error.code == ErrorCode::MissingSession => {}
        Err(error) => return Err(error),
    }
    Ok(Page(page).into_response())
}

pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Form(fields): Form<AddressForm>,
) -> Result<Response, ApiError> {
    let next = Next::parse(&fields.next);
    let email = match EmailAddress::parse(&fields.email) {
        Ok(email) => email,
        Err(Refusal::InvalidField { problem, .. }) => {
            let page = Address {
                error: Some(format!("The address {problem}.")),
                email: fields.email,
                ..Address::new(&app, next)
            };
            return Ok((StatusCode::BAD_REQUEST, Page(page)).into_response());
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let flow = Flow::begin(&app, &context, &headers, &email, next).await?;
    email_code::mail(
        &app,
        &context,
        &device(&headers),
        email,
        Purpose::SignIn,
        Some(&flow.secret),
    )
    .await?;
    Ok(([(SET_COOKIE, flow.cookie(&app))], Redirect::to("/sign-in/code")).into_response())
}
