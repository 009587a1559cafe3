//! Sends a request and reads its response.

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AuthApi;
use crate::error::{ApiError, ServerError, date_header};

/// The default limit of a response body, in bytes. Every response of the service is shorter,
/// including the list of an account's keys.
const MAX_BODY: usize = 1024 * 1024;

/// A successful response.
pub(crate) struct Response<T> {
    pub(crate) body: T,
    /// The `Date` header.
    pub(crate) server_time: Option<Timestamp>,
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
}

/// A request before it is sent.
pub(super) struct Request {
    method: Method,
    path: String,
    bearer: Option<HeaderValue>,
    body: Option<Vec<u8>>,
    /// The longest response body to read, in bytes.
    pub(super) max_body: usize,
}

impl Request {
    pub(super) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            bearer: None,
            body: None,
            max_body: MAX_BODY,
        }
    }

    pub(super) fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn post(path: &str, body: &impl Serialize) -> Self {
        Self::new(Method::POST, path).body(body)
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Self {
        // Serializing cannot fail: the request types are structs with string keys.
        self.body = serde_json::to_vec(body).ok();
        self
    }

    pub(super) fn bearer(mut self, token: &str) -> Self {
        self.bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map(|mut value| {
                value.set_sensitive(true);
                value
            })
            // A token with a line break is not a token. Without a header the service responds
            // `missing_token`.
            .ok();
        self
    }
}

impl AuthApi {
    pub(super) async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<Response<T>, ApiError> {
        let Response {
            body,
            server_time,
            status,
            request_id,
        } = self.send(request).await?;
        match serde_json::from_slice(&body) {
            Ok(body) => Ok(Response {
                body,
                server_time,
                status,
                request_id,
            }),
            // Do not use serde's message: it may quote a token.
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

    pub(super) async fn send(&self, request: Request) -> Result<Response<Vec<u8>>, ApiError> {
        let url = format!("{}{}", self.base, request.path);
        let unreachable = |source: reqwest::Error| ApiError::Unreachable {
            url: url.clone(),
            source: source.without_url(),
        };
        let mut builder = self.http.request(request.method, &url);
        if let Some(token) = request.bearer {
            builder = builder.header(AUTHORIZATION, token);
        }
        if let Some(body) = request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = builder.send().await.map_err(unreachable)?;
        let status = response.status();
        let headers = response.headers().clone();
        let request_id = headers
            .get("x-request-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > request.max_body {
                return Err(ApiError::Unreadable {
                    status: status.as_u16(),
                    request_id,
                    reason: format!("longer than {} bytes", request.max_body),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(ApiError::Server(Box::new(ServerError::new(
                status.as_u16(),
                &headers,
                &body,
            ))));
        }
        Ok(Response {
            body,
            server_time: date_header(&headers),
            status: status.as_u16(),
            request_id,
        })
    }
}
