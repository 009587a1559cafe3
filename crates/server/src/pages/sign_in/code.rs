//! `/sign-in/code`: the user enters the code in the browser that asked for it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tm_auth_core::email_code::Purpose;
use tm_auth_core::user::AuthMethod;
use tm_auth_proto::ErrorCode;

use super::{Flow, complete, flow};
use crate::app::App;
use crate::app::email_code;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::form::Form;
use crate::pages::next::Next;
use crate::pages::page::{Layout, Page};

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    #[serde(default)]
    code: String,
    /// The address that the page showed. It only detects a page of an earlier login.
    #[serde(default)]
    email: String,
}

#[derive(Template)]
#[template(path = "sign_in_code.html")]
struct Code {
    layout: Layout,
    next: Next,
    /// The address to which this browser's valid code was sent.
    email: Option<String>,
    error: Option<&'static str>,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Some(flow) = Flow::read(&app, &headers) else {
        return Ok(Redirect::to("/sign-in").into_response());
    };
    page(&app, &context, flow, None).await
}

pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Form(fields): Form<CodeForm>,
) -> Result<Response, ApiError> {
    let flow = Flow::read(&app, &headers).ok_or_else(flow::missing)?;
    let stored = flow.stored(&app, &context).await?;
    if let Some(stored) = stored
        && !fields.email.is_empty()
        && fields.email != stored.email.as_str()
    {
        // The page was left open while the browser started a login with another address.
        return Err(ApiError::invalid(
            "email",
            "this page belongs to another login; log in again",
        ));
    }
    match email_code::by_code(&app, &context, flow.codes(), Purpose::SignIn, &fields.code).await {
        Ok(proved) => complete(&app, &context, &headers, &flow, proved, AuthMethod::EmailCode).await,
        Err(error) if error.code == ErrorCode::InvalidCode => {
            let error = "This code is wrong, used or expired. Use the code of the newest e-mail, or ask for another one.";
            let page = page(&app, &context, flow, Some(error)).await?;
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn page(
    app: &App,
    context: &Context,
    flow: Flow,
    error: Option<&'static str>,
) -> Result<Response, ApiError> {
    let stored = flow.stored(app, context).await?;
    let template = Code {
        layout: Layout::new(app, "Enter the code").narrow(),
        next: flow.next,
        email: stored.map(|stored| stored.email.into()),
        error,
    };
    Ok(Page(template).into_response())
}
