//! Responses of the service.

use reqwest::header::HeaderMap;
use serde_json::Value;
use tm_auth_proto::{ErrorBody, ErrorCode};

/// A response, read to its end. If the body is not JSON, `body` is `null` and `text` has it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status,
            headers,
            body,
            text,
        }
    }

    /// The `code` member of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("no code")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    /// Asserts the status and code, and that the headers and body are those of every error.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{self:?}");
        let body = self.error_body();
        let known = ErrorCode::ALL
            .iter()
            .find(|known| known.as_str() == code)
            .unwrap();
        assert_eq!(
            (body.type_, body.retryable),
            (known.type_(), known.retryable()),
            "{self:?}"
        );
        assert_eq!(known.status(), status);
        assert!(!body.message.is_empty());
        assert_eq!(body.request_id, self.header("x-request-id"));
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(status != 400 || !body.field_violations.is_empty(), "{self:?}");
        assert_eq!(
            self.header("retry-after").is_empty(),
            ![429, 503].contains(&status) && code != "replayed"
        );
    }

    /// Asserts a 400 about one field.
    #[track_caller]
    pub(crate) fn assert_invalid(&self, code: &str, field: &str) {
        self.assert_error(400, code);
        assert_eq!(self.body["field_violations"][0]["field"], field, "{self:?}");
    }

    /// The body, which must have exactly the members of an error.
    #[track_caller]
    pub(crate) fn error_body(&self) -> ErrorBody {
        let body: ErrorBody = serde_json::from_str(&self.text).unwrap();
        assert_eq!(serde_json::to_value(&body).unwrap(), self.body);
        body
    }

    /// Status, headers and body without what differs from request to request.
    pub(crate) fn comparable(&self) -> (u16, Vec<(String, String)>, Value) {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        let mut body = self.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.remove("request_id");
        }
        (self.status, headers, body)
    }

    /// The `Location` of a redirect.
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location")
    }

    #[track_caller]
    pub(crate) fn assert_shows(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "{text:?} is not in {self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn assert_hides(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} is in {self:?}");
        self
    }
}
