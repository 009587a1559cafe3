//! Getting a document from the issuer. The caches know only [`Fetch`], so that tests and an issuer in
//! memory can stand in for the network.

use std::pin::Pin;
use std::time::Duration;

use crate::{InvalidToken, NotAKeySet};

/// Gets documents by their URL.
pub trait Fetch: Send + Sync + 'static {
    /// Gets one. The caller sets the deadline by dropping the future.
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a>;
}

/// What [`Fetch::fetch`] gives.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'a>>;

/// What to get.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// From where.
    pub url: &'a str,
    /// The ETag of the copy that is held: where it still holds, [`Fetched::NotModified`] is the answer.
    pub etag: Option<&'a str>,
    /// Longest body that is read, in bytes.
    pub max_len: usize,
}

/// What came.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The copy that is held still holds.
    NotModified {
        /// How long it may be used unasked, where the answer says so.
        max_age: Option<Duration>,
    },
    /// A document.
    Document {
        /// Its bytes.
        body: Vec<u8>,
        /// Its ETag, where it has one.
        etag: Option<String>,
        /// How long it may be used unasked, where the answer says so.
        max_age: Option<Duration>,
    },
}

/// Why no new document is in use. The one before stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The issuer answered with another status than 200 or 304. Redirects are among them: none is followed.
    #[error("the issuer answered with status {0}")]
    Status(u16),
    /// The body is longer than the cap.
    #[error("the document is too large")]
    TooLarge,
    /// It did not come within the deadline.
    #[error("the issuer did not answer in time")]
    Timeout,
    /// The connection failed.
    #[error("the issuer cannot be reached: {0}")]
    Transport(String),
    /// The JWKS is none.
    #[error(transparent)]
    NotAKeySet(#[from] NotAKeySet),
    /// The JWKS holds no key that may be used.
    #[error("the key set holds no usable key")]
    NoUsableKey,
    /// The issuer says "not modified" of a copy that is not held, or that is too old.
    #[error("the issuer says `not modified`, but no copy that holds is here")]
    UnexpectedNotModified,
    /// The revocation list does not hold.
    #[error("the revocation list does not hold: {0}")]
    InvalidRevocations(InvalidToken),
    /// The revocation list is not text.
    #[error("the revocation list is not text")]
    RevocationsNotText,
    /// The revocation list is older than the one in use.
    #[error("the revocation list is older than the one in use")]
    OlderRevocations,
    /// There are no keys to check the revocation list with.
    #[error("the revocation list cannot be checked without the issuer's keys")]
    NoKeys,
}
