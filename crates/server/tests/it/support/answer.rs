//! What came back.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response, read whole. A body that is no JSON is `null` here and stays in `text`.
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

    /// The machine word of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("no code")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    /// Asserts status and code together, and shows the whole answer where they differ.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{self:?}");
        assert_eq!(
            self.body["request_id"].as_str(),
            Some(self.header("x-request-id"))
        );
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
}
