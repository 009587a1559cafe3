//! `/sign-in/link`: the page of the e-mail's link. Token and code are in the URL's fragment, which
//! browsers do not send. The page's script puts the token into the form, and pressing the button
//! sends it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use tm_auth_core::Refusal;
use tm_auth_core::email_code::Purpose;
use tm_auth_core::secret::FlowSecret;
use tm_auth_core::user::AuthMethod;

use super::{Flow, complete, flow};
use crate::app::App;
use crate::app::email_code;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::form::Form;
use crate::pages::page::{Layout, Page};

#[derive(Deserialize)]
pub(crate) struct LinkForm {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "sign_in_link.html")]
struct Link {
    layout: Layout,
    /// The address that the button logs in; `None` in a browser that did not ask for the e-mail.
    email: Option<String>,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let stored = match Flow::read(&app, &headers) {
        Some(flow) => flow.stored(&app, &context).await?,
        None => None,
    };
    let email = stored
        .filter(|stored| stored.purpose == Purpose::SignIn)
        .map(|stored| String::from(stored.email));
    let title = if email.is_some() { "Log in" } else { "Your code" };
    let template = Link {
        layout: Layout::new(&app, title).narrow().script("sign-in-link.js"),
        email,
    };
    Ok(Page(template).into_response())
}

pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    Form(fields): Form<LinkForm>,
) -> Result<Response, ApiError> {
    let flow = Flow::read(&app, &headers).ok_or_else(flow::missing)?;
    let token = FlowSecret::decode(&fields.token).ok_or(Refusal::InvalidCode)?;
    let proved = email_code::by_link(&app, &context, &token, &flow.secret, Purpose::SignIn).await?;
    complete(&app, &context, &headers, &flow, proved, AuthMethod::MagicLink).await
}
