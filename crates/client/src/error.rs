//! Why a request failed, and whose fault that is.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_proto::{ErrorBody, ErrorCode};

/// Why a request failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApiError {
    /// The service, or a proxy in front of it, responded with an error. Status 4xx is usually the
    /// fault of the caller: its request, its credentials or its clock. Status 5xx is the fault of
    /// the service.
    Server(Box<ServerError>),
    /// The fault of the network, of the service or of the base URL: there was no response, or not
    /// in time. The service may have executed the request.
    Unreachable {
        /// The URL of the request.
        url: String,
        /// The error of the HTTP client.
        source: reqwest::Error,
    },
    /// The fault of the service, or of a wrong base URL: the response is too long, or it reports
    /// success but is not what this endpoint returns.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// The `x-request-id` of the response, if present.
        request_id: Option<String>,
        /// What is wrong with the response. Contains none of its content.
        reason: String,
    },
}

impl ApiError {
    /// Returns the service's error code, if the response has a known one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Server(error) => error.code,
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// Returns the HTTP status, if there was a response.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Server(error) => Some(error.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::Unreachable { .. } => None,
        }
    }

    /// Returns the id of the request in the service's log, if the response has one.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Server(error) => error.request_id.as_deref(),
            Self::Unreadable { request_id, .. } => request_id.as_deref(),
            Self::Unreachable { .. } => None,
        }
    }

    /// Returns how long the service asks to wait before the next request, if it does.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Server(error) => error.retry_after,
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Unreachable { url, source } => {
                // The outermost error only says "error sending request". The innermost one says
                // why.
                let mut cause: &dyn std::error::Error = source;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                let cause = if source.is_timeout() {
                    "no response in time".to_owned()
                } else {
                    cause.to_string()
                };
                write!(f, "cannot reach {url}: {cause}")
            }
            Self::Unreadable { status, reason, .. } => {
                write!(f, "cannot read the response (status {status}): {reason}")
            }
        }
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::Server(_) | Self::Unreadable { .. } => None,
        }
    }
}

/// A response with an error status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerError {
    /// The HTTP status.
    pub status: u16,
    /// The error code. `None` if the response is not from the service (but from a proxy, for
    /// example), or if the service is newer than this crate and the code is unknown to it.
    pub code: Option<ErrorCode>,
    /// The whole body. `None` if `code` is.
    pub body: Option<ErrorBody>,
    /// A message for people: not empty, without control characters, at most 400 characters of the
    /// body.
    pub message: String,
    /// The id of the request in the service's log: from the body, else from `x-request-id`.
    pub request_id: Option<String>,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The service's clock: from the body, else from the `Date` header.
    pub server_time: Option<Timestamp>,
}

impl ServerError {
    pub(crate) fn new(status: u16, headers: &reqwest::header::HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let parsed: Option<ErrorBody> = serde_json::from_slice(body).ok();
        let partial: PartialErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let message = partial
            .message
            .map(|text| sanitize(&text))
            .filter(|text| !text.is_empty());
        Self {
            status,
            code: parsed.as_ref().map(|body| body.code),
            message: message.unwrap_or_else(|| {
                format!(
                    "status {status} with a body that is not from the auth service ({}); is the base URL \
                     right, and is there a proxy in between?",
                    sanitize(header("content-type").unwrap_or("no content type"))
                )
            }),
            request_id: partial
                .request_id
                .as_deref()
                .or_else(|| header("x-request-id"))
                .map(sanitize),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs),
            server_time: parsed
                .as_ref()
                .and_then(|body| body.server_time)
                .or_else(|| date_header(headers)),
            body: parsed,
        }
    }
}

impl std::error::Error for ServerError {}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.message)?;
        match self.code {
            Some(code) => write!(f, "{code}")?,
            None => write!(f, "status {}", self.status)?,
        }
        match &self.request_id {
            Some(id) => write!(f, ", request {id})"),
            None => f.write_str(")"),
        }
    }
}

/// Parses the `Date` header: the service's clock, in whole seconds.
pub(crate) fn date_header(headers: &reqwest::header::HeaderMap) -> Option<Timestamp> {
    let text = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    parsed.ok()
}

/// The two members that older and newer services have too.
#[derive(Default, Deserialize)]
struct PartialErrorBody {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
}

/// Makes text from the network safe for terminals and logs: replaces control characters, and keeps
/// at most 400 characters.
fn sanitize(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(400)
        .collect::<String>()
        .trim()
        .to_owned()
}
