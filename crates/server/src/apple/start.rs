//! `POST /apple/start` and `POST /apple/link`: the browser leaves for Apple, to log in or to link.
//!
//! [`crate::http::same_origin`] has checked that the form belongs to this site. Linking adds a
//! login method, so it also needs the form's CSRF token and a fresh proof by the account's
//! strongest method.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::Deserialize;
use tm_auth_store::Ceremony;

use super::client::{Apple, Offered};
use super::flow::{Flow, KIND, LIFE, Purpose};
use crate::app::App;
use crate::app::management::Management;
use crate::auth::browser::{self, Browser};
use crate::auth::csrf_form::{CsrfForm, Empty};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name, SameSite};
use crate::http::form::Form;
use crate::pages::next::Next;
use crate::random;

/// The page that shows the linked identity.
pub(super) const SECURITY: &str = "/security";

/// The fields of `templates/apple_button.html`.
#[derive(Deserialize)]
pub(crate) struct Start {
    #[serde(default)]
    next: String,
}

pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Offered(apple): Offered,
    context: Context,
    headers: HeaderMap,
    Form(form): Form<Start>,
) -> Result<Response, ApiError> {
    let session = browser::session(&app, &context, &headers).await?;
    let purpose = Purpose {
        next: Next::parse(&form.next).to_string(),
        link: false,
        session: session.map(|(session, _)| (session.uid, session.sid)),
    };
    leave(&app, &apple, &context, &purpose).await
}

pub(crate) async fn link(
    State(app): State<Arc<App>>,
    Offered(apple): Offered,
    context: Context,
    posted: CsrfForm<Empty>,
) -> Result<Response, ApiError> {
    let Browser { account, session, .. } = posted.browser;
    let purpose = Purpose {
        next: SECURITY.to_owned(),
        link: true,
        session: Some((session.uid, session.sid)),
    };
    let owner = Management {
        account,
        proof: session.proof,
        sid: session.sid,
    };
    owner.require_strong(&app, context.now).await?;
    leave(&app, &apple, &context, &purpose).await
}

/// Begins a flow and sends the browser to Apple.
async fn leave(app: &App, apple: &Apple, context: &Context, purpose: &Purpose) -> Result<Response, ApiError> {
    app.limits.may_begin_ceremony(context)?;
    let flow = Flow::new(random::bytes());
    let ceremony = Ceremony {
        id_hash: flow.id_hash(),
        kind: KIND.into(),
        uid: purpose.linking(),
        state: serde_json::to_string(purpose).map_err(ApiError::internal)?,
        expires_at: context.now + LIFE,
    };
    app.store.begin_ceremony(ceremony).await?;
    // `SameSite=None`: Apple's site posts the answer.
    let cookie = cookie::set(
        &app.config.public_url,
        Name::Apple,
        &flow.cookie(),
        SameSite::None,
    );
    Ok(([(SET_COOKIE, cookie)], Redirect::to(&apple.authorize_url(&flow))).into_response())
}

impl Apple {
    fn authorize_url(&self, flow: &Flow) -> String {
        self.provider.authorize_url(&[
            ("response_type", "code"),
            // Apple requires `form_post` if the scope has name or email.
            ("response_mode", "form_post"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "name email"),
            ("state", &flow.state()),
            ("nonce", &flow.nonce()),
            ("code_challenge", &flow.challenge()),
            ("code_challenge_method", "S256"),
        ])
    }
}
