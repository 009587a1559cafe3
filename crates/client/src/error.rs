//! What can go wrong with one request, and who is to blame.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_proto::{ErrorBody, ErrorCode};

/// Why a request brought no result.
#[derive(Debug)]
pub enum ApiError {
    /// The service, or something in front of it, said no.
    Refused(Box<Refusal>),
    /// There was no answer: no connection, or none in time. Whether the request arrived is not known.
    Unreachable {
        /// What was asked.
        url: String,
        /// What the network said.
        source: reqwest::Error,
    },
    /// The answer reports success, but it is not what this endpoint answers.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// The request's id, where there was one.
        request_id: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
}

impl ApiError {
    /// The service's machine word, where it gave a known one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Unreadable { status, .. } => Some(*status),
            Self::Unreachable { .. } => None,
        }
    }

    /// What finds the request in the service's log.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.request_id.as_deref(),
            Self::Unreadable { request_id, .. } => request_id.as_deref(),
            Self::Unreachable { .. } => None,
        }
    }

    /// When the service wants to be asked again, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unreachable { url, source } => {
                // The outermost error only says "error sending request"; the innermost says why.
                let mut cause: &dyn std::error::Error = source;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                let cause = if source.is_timeout() {
                    "no answer in time".to_owned()
                } else {
                    cause.to_string()
                };
                write!(f, "cannot reach {url}: {cause}")
            }
            Self::Unreadable { status, reason, .. } => {
                write!(f, "the answer (status {status}) cannot be read: {reason}")
            }
        }
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::Refused(_) | Self::Unreadable { .. } => None,
        }
    }
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The machine word. `None` where the answer is not the service's own (a proxy's, say), or where the
    /// service is newer than this crate and the word not known to it.
    pub code: Option<ErrorCode>,
    /// The whole body, where it is the service's own.
    pub body: Option<ErrorBody>,
    /// For people; never empty, without control characters.
    pub message: String,
    /// What finds the request in the service's log: from the body, else from `x-request-id`.
    pub request_id: Option<String>,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The server's clock: from the body, else from the `Date` header.
    pub server_time: Option<Timestamp>,
}

impl Refusal {
    pub(crate) fn new(status: u16, headers: &reqwest::header::HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let parsed: Option<ErrorBody> = serde_json::from_slice(body).ok();
        let loose: Loose = serde_json::from_slice(body).unwrap_or_default();
        let message = loose
            .message
            .map(|text| printable(&text))
            .filter(|text| !text.is_empty());
        Self {
            status,
            code: parsed.as_ref().map(|body| body.code),
            message: message.unwrap_or_else(|| {
                format!(
                    "status {status} with a body that is not this service's own ({}); is the base URL right, \
                     and does a proxy stand between?",
                    printable(header("content-type").unwrap_or("no content type"))
                )
            }),
            request_id: loose
                .request_id
                .as_deref()
                .or_else(|| header("x-request-id"))
                .map(printable),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs),
            server_time: parsed
                .as_ref()
                .and_then(|body| body.server_time)
                .or_else(|| date(headers)),
            body: parsed,
        }
    }
}

impl fmt::Display for Refusal {
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

/// The `Date` header: the server's clock, to the second.
pub(crate) fn date(headers: &reqwest::header::HeaderMap) -> Option<Timestamp> {
    let text = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    parsed.ok()
}

/// The two members that older and newer services have as well.
#[derive(Default, Deserialize)]
struct Loose {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
}

/// What came over the network goes to terminals and logs: no control characters, and not without end.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(400)
        .collect::<String>()
        .trim()
        .to_owned()
}
