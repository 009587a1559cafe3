//! Forms of pages that only a logged-in user sees.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::browser::Browser;
use crate::app::App;
use crate::error::ApiError;
use crate::http::form::FormFields;

/// A form with the session's CSRF token. The token is checked before any other field is read, so
/// that a handler gets no fields without it.
pub(crate) struct CsrfForm<T> {
    pub(crate) browser: Browser,
    pub(crate) form: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for CsrfForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let browser = Browser::from_request_parts(&mut parts, app).await?;
        let mut fields = FormFields::from_request(Request::from_parts(parts, body), app).await?;
        browser.require_csrf(&fields.take("csrf").unwrap_or_default())?;
        Ok(Self {
            browser,
            form: fields.read()?,
        })
    }
}

/// A form that has only buttons.
#[derive(Deserialize)]
pub(crate) struct Empty {}
