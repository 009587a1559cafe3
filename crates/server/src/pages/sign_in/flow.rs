//! The cookie of a login by e-mail: a secret that binds the code to the browser, and the page that
//! follows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::HeaderValue;
use tm_auth_core::EmailAddress;
use tm_auth_core::secret::FlowSecret;
use tm_auth_store::email_code::{CodeFlow, CodeOf};

use crate::app::App;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name, SameSite};
use crate::pages::next::Next;
use crate::random;

/// A login in progress in this browser.
pub(crate) struct Flow {
    pub(crate) secret: FlowSecret,
    pub(crate) next: Next,
}

impl Flow {
    /// The flow of the browser's cookie.
    pub(crate) fn read(app: &App, headers: &HeaderMap) -> Option<Self> {
        let (secret, next) = cookie::read(&app.config.public_url, headers, Name::Flow)?.split_once('.')?;
        let next = URL_SAFE_NO_PAD.decode(next).ok()?;
        Some(Self {
            secret: FlowSecret::decode(secret)?,
            next: Next::parse(std::str::from_utf8(&next).ok()?),
        })
    }

    /// Starts a flow for this address. Keeps the browser's flow if it has the same address, so that
    /// an earlier code stays valid. Otherwise the flow is new, so that an open page for another
    /// address cannot continue it.
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

    /// The flow's address and purpose, while it has a valid code.
    pub(crate) async fn stored(&self, app: &App, context: &Context) -> Result<Option<CodeFlow>, ApiError> {
        Ok(app.store.code_flow(self.secret.hash(), context.now).await?)
    }

    /// Selects the codes of this flow.
    pub(crate) fn codes(&self) -> CodeOf {
        CodeOf::Browser(self.secret.hash())
    }

    pub(crate) fn cookie(&self, app: &App) -> HeaderValue {
        let next = URL_SAFE_NO_PAD.encode(self.next.as_str());
        // `Lax`: the user opens the link from another site, the mail program's.
        cookie::set(
            &app.config.public_url,
            Name::Flow,
            &format!("{}.{next}", self.secret.encode()),
            SameSite::Lax,
        )
    }
}

/// The error for a browser without the flow's cookie.
pub(super) fn missing() -> ApiError {
    ApiError::invalid(
        "cookie",
        "this browser has no login in progress: use the browser where you asked for the e-mail, or log in again here",
    )
}
