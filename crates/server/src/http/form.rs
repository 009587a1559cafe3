//! What a form posted: `application/x-www-form-urlencoded`, within the same limits as a JSON body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tm_auth_listener::read_body;
use tm_auth_proto::ErrorCode;

use crate::App;
use crate::auth::browser::Browser;
use crate::error::ApiError;

/// The fields of a form that anybody may post.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let limits = &app.config.limits;
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits.body_bytes, limits.body_read).await?;
        let request = Request::from_parts(parts, Body::from(body));
        match axum::Form::from_request(request, &()).await {
            Ok(axum::Form(form)) => Ok(Self(form)),
            Err(FormRejection::InvalidFormContentType(_)) => {
                Err(ApiError::new(ErrorCode::UnsupportedMediaType))
            }
            // Which field and why stays unsaid: it may quote what was typed.
            Err(_) => Err(ApiError::invalid(
                "form",
                "a field is missing or has the wrong form",
            )),
        }
    }
}

/// A form of a page of this session: the only way to its fields leads past the session's token. Every field is
/// text: with the token taken out, serde sees no more of their types.
pub(crate) struct Posted<T> {
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

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Posted<T> {
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
pub(crate) struct Nothing {}
