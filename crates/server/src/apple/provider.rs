//! Apple's endpoints: the authorization page and the token endpoint.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::failure::Failure;
use crate::http::query::query_value;

/// The deadline of one request. A browser waits for it.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes. Apple's have a few kilobytes.
const LARGEST: usize = 64 * 1024;

/// Apple, or a stand-in for tests.
pub(super) struct Provider {
    issuer: String,
    client: OnceCell<Client>,
}

/// The token endpoint's answer. The refresh token is not read.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: String,
    /// Serves only to check `at_hash`.
    pub(super) access_token: Option<String>,
}

impl Provider {
    pub(super) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            client: OnceCell::new(),
        }
    }

    /// The URL to which the browser is sent.
    pub(super) fn authorize_url(&self, parameters: &[(&str, &str)]) -> String {
        format!("{}/auth/authorize?{}", self.issuer, encode(parameters))
    }

    /// Exchanges a code for tokens (RFC 6749 section 4.1.3).
    pub(super) async fn exchange(&self, form: &[(&str, &str)]) -> Result<Tokens, Failure> {
        let url = format!("{}/auth/token", self.issuer);
        let request = self.client().await?.post(url).body(encode(form));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = request.send().await.map_err(transport)?;
        let status = response.status();
        let body = read(response).await?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| {
                Failure::Unavailable("the token endpoint's answer is not understood".to_owned())
            });
        }
        // RFC 6749 section 5.2. Only this error is about the code; the others are about this
        // client.
        match error_word(&body).as_deref() {
            Some("invalid_grant") => Err(Failure::Refused("Apple does not know this code")),
            word => Err(Failure::Unavailable(format!(
                "the token endpoint answered {} {}",
                status.as_u16(),
                word.unwrap_or_default()
            ))),
        }
    }

    /// The HTTP client, created with the first request, so that all else works on a machine without
    /// certificates.
    async fn client(&self) -> Result<&Client, Failure> {
        let build = async || {
            Client::builder()
                // A redirect would let the answering server choose an address inside this network.
                .redirect(Policy::none())
                .referer(false)
                .timeout(DEADLINE)
                .user_agent(concat!("tm-auth/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(transport)
        };
        self.client.get_or_try_init(build).await
    }
}

/// Encodes a form or a query: `application/x-www-form-urlencoded`.
fn encode(parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", query_value(value)))
        .collect();
    pairs.join("&")
}

/// The `error` of an OAuth error response, if it is a word that may be logged.
fn error_word(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: String,
    }
    let Body { error } = serde_json::from_slice(body).ok()?;
    let is_word = error.len() <= 40 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_word.then_some(error)
}

/// Reads chunk by chunk, so that at most the cap and one chunk are in memory.
async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Failure::Unavailable("the answer is too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Writes the chain of causes, because "error sending request" alone does not help. Leaves out the
/// URL.
fn transport(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    Failure::Unavailable(causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_oauth_are_read_from_an_error() {
        assert_eq!(
            error_word(br#"{"error":"invalid_grant"}"#).as_deref(),
            Some("invalid_grant")
        );
        for other in [
            &b"{\"error\":\"a\\nb\"}"[..],
            b"{}",
            b"<html>",
            br#"{"error":"Token eyJ"}"#,
        ] {
            assert_eq!(error_word(other), None);
        }
    }

    #[test]
    fn g26_parameters_cannot_add_parameters() {
        let provider = Provider::new("https://apple.test");
        assert_eq!(
            provider.authorize_url(&[("scope", "name email"), ("state", "a&b=c#d")]),
            "https://apple.test/auth/authorize?scope=name%20email&state=a%26b%3Dc%23d"
        );
    }
}
