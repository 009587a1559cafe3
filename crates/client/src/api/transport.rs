//! A request, and the answer to it.

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AuthApi;
use crate::error::{ApiError, Refusal, date};

/// No answer of the service is longer, the list of an account's keys included.
const MAX_ANSWER: usize = 1024 * 1024;

/// A success, and what its headers say.
pub(crate) struct Answer<T> {
    pub(crate) body: T,
    /// The `Date` header.
    pub(crate) server_time: Option<Timestamp>,
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
}

/// A request before it is sent.
pub(super) struct Call {
    method: Method,
    path: String,
    bearer: Option<HeaderValue>,
    body: Option<Vec<u8>>,
    /// Longest answer that is read, in bytes.
    pub(super) max_answer: usize,
}

impl Call {
    pub(super) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            bearer: None,
            body: None,
            max_answer: MAX_ANSWER,
        }
    }

    pub(super) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn post(path: &str, body: &impl Serialize) -> Self {
        Self::new(Method::POST, path).body(body)
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Self {
        // The request types are structs with string keys: they always serialize.
        self.body = serde_json::to_vec(body).ok();
        self
    }

    pub(super) fn bearer(mut self, token: &str) -> Self {
        self.bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map(|mut value| {
                value.set_sensitive(true);
                value
            })
            // A token with a line break in it is none; without one the service answers `missing_token`.
            .ok();
        self
    }
}

impl AuthApi {
    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<Answer<T>, ApiError> {
        let Answer {
            body,
            server_time,
            status,
            request_id,
        } = self.send(call).await?;
        match serde_json::from_slice(&body) {
            Ok(body) => Ok(Answer {
                body,
                server_time,
                status,
                request_id,
            }),
            // serde's own message may quote a token.
            Err(error) => Err(ApiError::Unreadable {
                status,
                request_id,
                reason: format!(
                    "not the expected JSON at line {}, column {}",
                    error.line(),
                    error.column()
                ),
            }),
        }
    }

    pub(super) async fn send(&self, call: Call) -> Result<Answer<Vec<u8>>, ApiError> {
        let url = format!("{}{}", self.base, call.path);
        let unreachable = |source: reqwest::Error| ApiError::Unreachable {
            url: url.clone(),
            source: source.without_url(),
        };
        let mut request = self.http.request(call.method, &url);
        if let Some(token) = call.bearer {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(body) = call.body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let request_id = headers
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > call.max_answer {
                return Err(ApiError::Unreadable {
                    status: status.as_u16(),
                    request_id,
                    reason: format!("longer than {} bytes", call.max_answer),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(ApiError::Refused(Box::new(Refusal::new(
                status.as_u16(),
                &headers,
                &body,
            ))));
        }
        Ok(Answer {
            body,
            server_time: date(&headers),
            status: status.as_u16(),
            request_id,
        })
    }
}
