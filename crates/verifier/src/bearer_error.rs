//! The answers to a request that is not let in. Every token that does not hold gets the same one: which
//! check failed is for the log, not for whoever tries tokens out.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tm_auth_proto::{ErrorBody, ErrorCode, Scopes};

use crate::random;
use crate::{InvalidToken, Unavailable, VerifyError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerError {
    /// 401 `missing_token`: `Authorization` is absent or of another scheme.
    MissingToken,
    /// 401 `invalid_token`: `Authorization` comes more than once or cannot be read.
    MalformedHeader,
    /// 401 `invalid_token`: the token does not hold.
    InvalidToken(InvalidToken),
    /// 403 `insufficient_scope`: the token holds, but lacks one of these scopes.
    InsufficientScope(Scopes),
    /// 503 `unavailable`: nothing was decided.
    Unavailable(Unavailable),
}

impl BearerError {
    /// The machine word of the answer.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::MissingToken => ErrorCode::MissingToken,
            Self::MalformedHeader | Self::InvalidToken(_) => ErrorCode::InvalidToken,
            Self::InsufficientScope(_) => ErrorCode::InsufficientScope,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }

    /// RFC 6750 section 3: "If the request lacks any authentication information [...], the resource server
    /// SHOULD NOT include an error code or other error information."
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

    /// The answer, with an id by which the caller's side and ours can find each other's log lines.
    pub fn respond<B: From<String>>(self, request_id: &RequestId) -> Response<B> {
        tracing::debug!(error = ?self, request_id = request_id.as_str(), "a request was not let in");
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

/// The id of a request: the caller's `x-request-id` if it is 1 to 64 letters, digits, `-`, `_` or `.`, so
/// that it can stand in a log line as it is; a random one otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// Of a request with these headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let sane = |id: &&str| {
            (1..=64).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let sent = headers
            .get(REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .filter(sane);
        Self(sent.map_or_else(random::hex, str::to_owned))
    }

    /// As the answer carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
