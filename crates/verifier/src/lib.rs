//! Verifies True Markets access tokens locally, without a request to the auth service per token.
//!
//! 1. [`Verifier::builder`] takes the issuer, the audience and other settings.
//!    [`build`](VerifierBuilder::build) starts two background tasks: one refreshes the issuer's
//!    keys, the other polls its revocation list.
//! 2. [`Verifier::verify`] decides from memory. It fetches the keys only if a token names an
//!    unknown key, and at most once per cool-down, however many such tokens arrive.
//! 3. `BearerLayer` (feature `tower`) and `Caller` (feature `axum`, on by default) verify the token
//!    of each request and respond to the requests that they reject.
//!
//! [`check`], [`explain`] and [`check_revocations`] are the pure functions behind it, for callers
//! that have the keys and the time at hand.
//!
//! ```
//! use jiff::Timestamp;
//! use tm_auth_verifier::{InvalidToken, KeySet, Policy, check};
//!
//! let keys = KeySet::from_json(br#"{"keys":[]}"#)?;
//! let policy = Policy::new("https://api.truemarkets.co/v1/auth", "https://api.truemarkets.co");
//! let error = check("not.a.token", &keys, &policy, Timestamp::UNIX_EPOCH).unwrap_err();
//! assert!(matches!(error, InvalidToken::Malformed(_)));
//! # Ok::<(), tm_auth_verifier::NotAKeySet>(())
//! ```
//!
//! The time of day comes from a [`Clock`]; intervals are measured with the runtime's monotonic
//! clock. Randomness is used for request ids and for jitter only.

mod algorithm;
mod background;
#[cfg(feature = "tower")]
mod bearer;
#[cfg(feature = "tower")]
mod bearer_error;
mod builder;
mod check;
mod claims;
mod clock;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod fetch;
mod http_fetch;
mod jwk;
mod key_cache;
mod key_set;
#[cfg(feature = "tower")]
mod layer;
mod policy;
#[cfg(any(feature = "tower", feature = "testing"))]
mod random;
mod revocation_feed;
mod revocations;
#[cfg(feature = "testing")]
pub mod testing;
mod verifier;

pub use algorithm::Algorithm;
#[cfg(feature = "tower")]
pub use bearer_error::{BearerError, RequestId};
pub use builder::{BuildError, VerifierBuilder};
pub use check::{Check, CheckResult, MAX_REVOCATIONS_LEN, Outcome, check, check_revocations, explain};
pub use clock::{Clock, SystemClock};
pub use error::{InvalidToken, Revoked, Unavailable, VerifyError};
#[cfg(feature = "axum")]
pub use extract::{Caller, Rejection};
pub use fetch::{Fetch, FetchError, FetchFuture, FetchRequest, Fetched};
pub use http_fetch::HttpFetch;
pub use key_cache::{KeyCache, KeyTimes, MAX_JWKS_LEN};
pub use key_set::{KeySet, NotAKeySet};
#[cfg(feature = "tower")]
pub use layer::{BearerLayer, BearerService};
pub use policy::{DEFAULT_LEEWAY, LeewayTooLong, MAX_LEEWAY, Policy};
pub use revocation_feed::OnStaleRevocations;
pub use revocations::{REVOCATION_RETENTION, Revocations};
pub use verifier::{Ages, Verifier};

pub use tm_auth_proto as proto;

/// Runs the examples of the README as tests.
#[cfg(all(doctest, feature = "axum", feature = "testing"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
