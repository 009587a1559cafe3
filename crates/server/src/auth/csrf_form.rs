//! A form that a page of this session posted.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::browser::Browser;
use crate::app::App;
use crate::error::ApiError;
use crate::http::form::Form;

/// A form of a page of this session: the only way to its fields leads past the session's token.
/// Every field is text: with the token taken out, serde sees no more of their types.
pub(crate) struct CsrfForm<T> {
    pub(crate) browser: Browser,
    pub(crate) form: T,
}

#[derive(Deserialize)]
struct WithToken<T> {
    #[serde(default)]
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for CsrfForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let browser = Browser::from_request_parts(&mut parts, app).await?;
        let Form(posted) = Form::<WithToken<T>>::from_request(Request::from_parts(parts, body), app).await?;
        browser.require_csrf(&posted.csrf)?;
        Ok(Self {
            browser,
            form: posted.form,
        })
    }
}

/// A form with buttons only.
#[derive(Deserialize)]
pub(crate) struct Empty {}
