//! What a form posted: `application/x-www-form-urlencoded`, within the same limits as a JSON body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use tm_auth_proto::ErrorCode;

use crate::App;
use crate::error::ApiError;
use crate::request_deadline::read_body;

/// A form's fields. Whoever is signed in must bring the session's token: [`crate::browser`].
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let limits = &app.config.limits;
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits.body_bytes, limits.body_read)
            .await
            .map_err(|error| ApiError::with_message(error.code(), error.to_string()))?;
        let request = Request::from_parts(parts, Body::from(body));
        match axum::Form::from_request(request, &()).await {
            Ok(axum::Form(form)) => Ok(Self(form)),
            Err(axum::extract::rejection::FormRejection::InvalidFormContentType(_)) => {
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
