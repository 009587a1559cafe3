//! [`Fetch`] over HTTPS.

use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use crate::{Fetch, FetchError, FetchFuture, FetchRequest, Fetched};

/// Longest ETag that is stored, in bytes. A document with a longer one is fetched in full each
/// time.
const MAX_ETAG_LEN: usize = 256;

/// Fetches with `reqwest`, rustls and the system's root certificates.
///
/// Follows no redirects: a redirect would let the responding server choose an address inside this
/// deployment's network.
#[derive(Clone, Debug)]
pub struct HttpFetch {
    client: Client,
}

impl HttpFetch {
    /// Creates the HTTP client. Fails if TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .user_agent(concat!("tm-auth-verifier/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    async fn get(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        let mut get = self
            .client
            .get(request.url)
            .header(ACCEPT, "application/json, application/jwt");
        if let Some(etag) = request.etag {
            get = get.header(IF_NONE_MATCH, etag);
        }
        let response = get.send().await.map_err(transport)?;
        let max_age = max_age(response.headers());
        match response.status() {
            StatusCode::NOT_MODIFIED => Ok(Fetched::NotModified { max_age }),
            StatusCode::OK => Ok(Fetched::Document {
                etag: etag(response.headers()),
                body: read(response, request.max_len).await?,
                max_age,
            }),
            other => Err(FetchError::Status(other.as_u16())),
        }
    }
}

impl Fetch for HttpFetch {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(self.get(request))
    }
}

/// Reads the body in chunks, so that at most `max_len` bytes and one chunk are in memory.
async fn read(mut response: Response, max_len: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > max_len {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    (etag.len() <= MAX_ETAG_LEN).then(|| etag.to_owned())
}

/// The first `max-age` directive of `Cache-Control` (RFC 9111 section 5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?.split(',');
    let seconds = directives.filter_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then_some(value)
    });
    seconds.into_iter().next()?.parse().ok().map(Duration::from_secs)
}

/// Removes the URL, which the caches log as a field of its own.
fn transport(error: reqwest::Error) -> FetchError {
    FetchError::transport(error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: reqwest::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn max_age_is_found_among_other_directives() {
        let of = |value: &str| max_age(&headers(CACHE_CONTROL, value));
        assert_eq!(of("public, max-age=300"), Some(Duration::from_mins(5)));
        assert_eq!(of("Max-Age=7, s-maxage=9"), Some(Duration::from_secs(7)));
        for none in ["no-cache", "s-maxage=9", "max-age", "max-age=-1", "max-age=x"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }

    #[test]
    fn a_long_etag_is_not_stored() {
        let of = |len: usize| etag(&headers(ETAG, &"e".repeat(len)));
        assert_eq!(of(MAX_ETAG_LEN).map(|etag| etag.len()), Some(MAX_ETAG_LEN));
        assert_eq!(of(MAX_ETAG_LEN + 1), None);
    }
}
