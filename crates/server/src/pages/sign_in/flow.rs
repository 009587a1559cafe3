//! The cookie of a sign-in by mail: a secret that only the asking browser has, and where it leads.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::HeaderValue;
use tm_auth_core::EmailAddress;
use tm_auth_core::secret::FlowSecret;
use tm_auth_store::sign_in_code::{CodeFlow, CodeOf};

use crate::app::App;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name, SameSite};
use crate::pages::next::Next;
use crate::random;

/// A sign-in under way in this browser.
pub(crate) struct Flow {
    pub(crate) secret: FlowSecret,
    pub(crate) next: Next,
}

impl Flow {
    /// The one that the browser's cookie names.
    pub(crate) fn read(app: &App, headers: &HeaderMap) -> Option<Self> {
        let (secret, next) = cookie::read(&app.config.public_url, headers, Name::Flow)?.split_once('.')?;
        let next = URL_SAFE_NO_PAD.decode(next).ok()?;
        Some(Self {
            secret: FlowSecret::decode(secret)?,
            next: Next::parse(std::str::from_utf8(&next).ok()?),
        })
    }

    /// The one to go on with for this address: the browser's own if it is about the same one, so that an earlier
    /// code stays good; else a new one, so that a page of another address is not taken for one of this.
    pub(crate) async fn begin(
        app: &App,
        context: &Context,
        headers: &HeaderMap,
        email: &EmailAddress,
        next: Next,
    ) -> Result<Self, ApiError> {
        if let Some(flow) = Self::read(app, headers)
            && flow
                .stored(app, context)
                .await?
                .is_some_and(|stored| stored.email == *email)
        {
            return Ok(Self { next, ..flow });
        }
        Ok(Self {
            secret: FlowSecret::new(random::bytes()),
            next,
        })
    }

    /// What was mailed for it and is not used yet.
    pub(crate) async fn stored(&self, app: &App, context: &Context) -> Result<Option<CodeFlow>, ApiError> {
        Ok(app.store.code_flow(self.secret.hash(), context.now).await?)
    }

    /// Its codes.
    pub(crate) fn codes(&self) -> CodeOf {
        CodeOf::Browser(self.secret.hash())
    }

    pub(crate) fn cookie(&self, app: &App) -> HeaderValue {
        let next = URL_SAFE_NO_PAD.encode(self.next.as_str());
        // `Lax`: the link comes from the mail program's site.
        cookie::set(
            &app.config.public_url,
            Name::Flow,
            &format!("{}.{next}", self.secret.encode()),
            SameSite::Lax,
        )
    }
}

/// What a form of another browser, or of one that takes no cookies, gets.
pub(super) fn missing() -> ApiError {
    ApiError::invalid(
        "cookie",
        "this browser has no sign-in under way: begin where you asked for the mail, or ask for another one",
    )
}
