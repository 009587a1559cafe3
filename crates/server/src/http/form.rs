//! Posted forms: `application/x-www-form-urlencoded`, with the same limits as a JSON body.
//!
//! A form is read into a struct, or into a tuple of structs. Every field is text. In a form of this
//! service, a field that none of the structs has is an error, so that a page cannot offer a choice
//! that its handler ignores.

mod fields;

use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRef, FromRequest, Request};
use serde::de::DeserializeOwned;
use tm_auth_listener::read_body;
use tm_auth_proto::ErrorCode;

use crate::error::ApiError;
use crate::http::body::BodyLimits;

/// A form of a page of this service, without a CSRF token.
pub(crate) struct Form<T>(pub(crate) T);

/// A form that a page of another site posts. Unknown fields are ignored. RFC 6749 section 4.1.2:
/// "The client MUST ignore unrecognized response parameters."
pub(crate) struct ForeignForm<T>(pub(crate) T);

/// The fields of a form, before they are read into structs.
pub(crate) struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Removes the first field with this name and returns its value.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(index).1)
    }

    /// Reads all fields. Fails if there is an unknown one.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let (form, unread) = self.read_known()?;
        if unread {
            return Err(ApiError::invalid(
                "form",
                "the form has an unknown field: open the page again, then try again",
            ));
        }
        Ok(form)
    }

    /// Reads the known fields. The flag says whether there are unknown ones.
    fn read_known<T: DeserializeOwned>(&self) -> Result<(T, bool), ApiError> {
        // serde's message is left out, because it could quote what the user typed.
        fields::read(&self.0)
            .map_err(|_| ApiError::invalid("form", "a field is missing or has the wrong form"))
    }
}

impl<S> FromRequest<S> for FormFields
where
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limits = BodyLimits::from_ref(state);
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits.bytes, limits.deadline).await?;
        let request = Request::from_parts(parts, Body::from(body));
        match axum::Form::from_request(request, &()).await {
            Ok(axum::Form(fields)) => Ok(Self(fields)),
            Err(FormRejection::InvalidFormContentType(_)) => {
                Err(ApiError::new(ErrorCode::UnsupportedMediaType))
            }
            Err(_) => Err(ApiError::invalid("form", "the body is not a form")),
        }
    }
}

impl<S, T> FromRequest<S> for Form<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let fields = FormFields::from_request(request, state).await?;
        fields.read().map(Self)
    }
}

impl<S, T> FromRequest<S> for ForeignForm<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let fields = FormFields::from_request(request, state).await?;
        fields.read_known().map(|(form, _)| Self(form))
    }
}
