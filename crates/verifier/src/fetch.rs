//! Fetches a document from the issuer. The caches use only the trait [`Fetch`], so that a test or
//! an in-memory issuer can replace the network.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{InvalidToken, NotAKeySet};

/// Fetches documents by URL.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches one document. The caller enforces the deadline by dropping the future.
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a>;
}

/// The future that [`Fetch::fetch`] returns.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'a>>;

/// A document to fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// The URL of the document.
    pub url: &'a str,
    /// The ETag of the cached copy. If it is still current, return [`Fetched::NotModified`].
    pub etag: Option<&'a str>,
    /// Longest body to accept, in bytes. Return [`FetchError::TooLarge`] for a longer one.
    pub max_len: usize,
}

/// A successful response.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// 304: the cached copy is current.
    NotModified {
        /// The response's `Cache-Control: max-age`, if present.
        max_age: Option<Duration>,
    },
    /// 200: a new document.
    Document {
        /// The bytes of the document.
        body: Vec<u8>,
        /// The response's `ETag`, if present.
        etag: Option<String>,
        /// The response's `Cache-Control: max-age`, if present.
        max_age: Option<Duration>,
    },
}

/// Why a fetch did not give a usable document. The cached copy stays in use.
///
/// [`FetchError::Timeout`] and [`FetchError::Transport`] are the fault of the network, of the auth
/// service or of this deployment's URLs. All other variants are the fault of the auth service, or
/// of a proxy in front of it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The status is neither 200 nor 304. A redirect counts, because none is followed.
    #[error("the issuer responded with status {0}")]
    Status(u16),
    /// The body is longer than [`FetchRequest::max_len`].
    #[error("the document is too large")]
    TooLarge,
    /// The document did not arrive before the deadline.
    #[error("the issuer did not respond in time")]
    Timeout,
    /// The connection failed. The message includes the causes.
    #[error("the issuer cannot be reached: {}", Causes(source.as_ref()))]
    Transport {
        /// The error of the HTTP client.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The document is not a JWKS.
    #[error(transparent)]
    NotAKeySet(#[from] NotAKeySet),
    /// The JWKS contains no usable key.
    #[error("the key set contains no usable key")]
    NoUsableKey,
    /// The response is 304, but nothing is cached, or the cached revocation list has expired.
    #[error("the issuer responded `not modified`, but there is no current copy")]
    UnexpectedNotModified,
    /// The revocation list is invalid.
    #[error("the revocation list is invalid: {0}")]
    InvalidRevocations(#[source] InvalidToken),
    /// The revocation list is not UTF-8.
    #[error("the revocation list is not UTF-8")]
    RevocationsNotText,
    /// The revocation list is older than the one in use.
    #[error("the revocation list is older than the one in use")]
    OlderRevocations,
    /// The revocation list cannot be verified, because no keys are available.
    #[error("the revocation list cannot be verified without the issuer's keys")]
    NoKeys,
}

impl FetchError {
    /// Wraps the error of an HTTP client, or a message, as [`FetchError::Transport`].
    pub fn transport(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        Self::Transport {
            source: source.into(),
        }
    }
}

/// Shows an error and its causes on one line: the outermost message alone, such as "error sending
/// request", explains nothing.
struct Causes<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let causes = std::iter::successors(self.0.source(), |&cause| cause.source());
        for cause in causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}
