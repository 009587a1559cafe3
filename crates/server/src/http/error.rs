//! The status and headers of an error response. [`crate::middleware`] writes the body.

use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use tm_auth_proto::ErrorCode;

use crate::error::ApiError;

impl ApiError {
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).expect("the list of codes has valid statuses")
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // RFC 6750 section 3. The challenge does not say why a token is invalid.
        let challenge = match self.code {
            ErrorCode::MissingToken => "Bearer",
            ErrorCode::InvalidToken => r#"Bearer error="invalid_token""#,
            ErrorCode::InsufficientScope => r#"Bearer error="insufficient_scope""#,
            _ => return headers,
        };
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        headers
    }
}

/// Carries the error to [`crate::middleware`], which writes the body.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
