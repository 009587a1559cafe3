//! What a form posted: `application/x-www-form-urlencoded`, within the same limits as a JSON body.

use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRef, FromRequest, Request};
use serde::de::DeserializeOwned;
use tm_auth_listener::read_body;
use tm_auth_proto::ErrorCode;

use crate::error::ApiError;
use crate::http::body::BodyLimits;

/// The fields of a form that anybody may post.
pub(crate) struct Form<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Form<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limits = BodyLimits::from_ref(state);
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits.bytes, limits.deadline).await?;
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
