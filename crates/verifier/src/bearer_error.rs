//! The responses to rejected requests (RFC 6750 section 3). Every invalid token gets the same
//! response: which check failed is for the log, not for an attacker who tries tokens.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tm_auth_proto::{ErrorBody, ErrorCode, Scopes};

use crate::random;
use crate::{InvalidToken, Unavailable, VerifyError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request is rejected. All variants are the caller's fault except
/// [`BearerError::Unavailable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BearerError {
    /// 401 `missing_token`: `Authorization` is absent or has another scheme.
    #[error("the request has no bearer token")]
    MissingToken,
    /// 401 `invalid_token`: `Authorization` is present more than once or is not visible ASCII.
    #[error("the `Authorization` header is repeated or malformed")]
    MalformedHeader,
    /// 401 `invalid_token`: the token is invalid.
    #[error(transparent)]
    InvalidToken(InvalidToken),
    /// 403 `insufficient_scope`: the token is valid, but lacks at least one of these scopes.
    #[error("the token lacks one of the scopes `{0}`")]
    InsufficientScope(Scopes),
    /// 503 `unavailable`: the keys or the revocation list could not be fetched from the auth
    /// service.
    #[error(transparent)]
    Unavailable(Unavailable),
}

impl BearerError {
    /// Returns the error code of the response.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::MissingToken => ErrorCode::MissingToken,
            Self::MalformedHeader | Self::InvalidToken(_) => ErrorCode::InvalidToken,
            Self::InsufficientScope(_) => ErrorCode::InsufficientScope,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }

    /// The value of `WWW-Authenticate`. RFC 6750 section 3.1: "If the request lacks any
    /// authentication information (e.g., the client was unaware that authentication is necessary or
    /// attempted using an unsupported authentication method), the resource server SHOULD NOT
    /// include an error code or other error information."
    fn challenge(self) -> Option<String> {
        match self {
            Self::MissingToken => Some("Bearer".to_owned()),
            Self::MalformedHeader | Self::InvalidToken(_) => {
                Some(r#"Bearer error="invalid_token""#.to_owned())
            }
            Self::InsufficientScope(needed) => {
                Some(format!(r#"Bearer error="insufficient_scope", scope="{needed}""#))
            }
            Self::Unavailable(_) => None,
        }
    }

    /// Builds the response. The request id is in its body, its header and the log.
    pub fn respond<B: From<String>>(self, request_id: &RequestId) -> Response<B> {
        tracing::debug!(error = ?self, request_id = request_id.as_str(), "request rejected");
        let code = self.code();
        let body = ErrorBody {
            type_: code.type_(),
            code,
            message: code.meaning().trim().to_owned(),
            field_violations: Vec::new(),
            request_id: request_id.0.clone(),
            retryable: code.retryable(),
            recover: None,
            server_time: None,
            skew_ms: None,
        };
        let body = serde_json::to_string(&body).expect("an error body is always JSON");
        let mut response = Response::new(B::from(body));
        *response.status_mut() = StatusCode::from_u16(code.status()).expect("codes have statuses");
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let header = |text: &str| HeaderValue::from_str(text).expect("visible ASCII");
        headers.insert(REQUEST_ID, header(request_id.as_str()));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, header(&challenge));
        }
        response
    }
}

impl From<VerifyError> for BearerError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::InvalidToken(refusal) => Self::InvalidToken(refusal),
            VerifyError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

/// The id of a request: the caller's `x-request-id` if it consists of 1 to 64 ASCII letters,
/// digits, `-`, `_` and `.`, which are safe in a log line; otherwise 32 random hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Takes the id from the headers of a request, or generates one.
    pub fn of(headers: &HeaderMap) -> Self {
        let is_safe = |id: &&str| {
            (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let sent = headers
            .get(REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .filter(is_safe);
        Self(sent.map_or_else(random::hex, str::to_owned))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
