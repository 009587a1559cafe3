//! `/sign-in`: an address is asked for.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tm_auth_core::one_time_code::Purpose;
use tm_auth_core::{EmailAddress, Refusal};

use super::Flow;
use crate::App;
use crate::error::ApiError;
use crate::pages::form::Form;
use crate::pages::next::Next;
use crate::pages::page::{Frame, Page};
use crate::request::Context;
use crate::{browser, sign_in_code};

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct Fields {
    #[serde(default)]
    email: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "sign_in_address.html")]
struct Address {
    frame: Frame,
    next: Next,
    email: String,
    error: Option<String>,
    /// Who is signed in already confirms that it is them.
    again: bool,
    mail: bool,
    apple: bool,
}

impl Address {
    fn new(app: &App, next: Next) -> Self {
        Self {
            frame: Frame::new(app, "Sign in").narrow(),
            next,
            email: String::new(),
            error: None,
            again: false,
            mail: app.mail.is_available(),
            apple: app.apple.is_some(),
        }
    }
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let next = Next::parse(wanted.as_ref().map_or("", |Query(wanted)| &wanted.next));
    let mut page = Address::new(&app, next);
    if let Some((_, account)) = browser::session(&app, &context, &headers).await? {
        "Confirm that it is you".clone_into(&mut page.frame.title);
        page.again = true;
        page.email = account.email.unwrap_or_default();
    }
    Ok(Page(page).into_response())
}

pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
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
    sign_in_code::mail(
        &app,
        &context,
        &headers,
        email,
        Purpose::SignIn,
        Some(&flow.secret),
    )
    .await?;
    Ok(([(SET_COOKIE, flow.cookie(&app))], Redirect::to("/sign-in/code")).into_response())
}
