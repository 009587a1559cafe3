//! Verifies True Markets access tokens locally: what a resource server needs of the auth service, without a
//! request to it per token.
//!
//! 1. [`Verifier::builder`] takes issuer, audience and environment; `build` starts two background tasks,
//!    one for the issuer's keys, one for its revocation list.
//! 2. [`Verifier::verify`] decides from memory. Only a token that names an unknown key makes it ask for the
//!    keys, at most once per cool-down however many such tokens come.
//! 3. `BearerLayer` (feature `tower`) and `Caller` (feature `axum`, on by default) do that for each request
//!    and answer those that are not let in.
//!
//! Below lies a pure layer, [`check`], [`explain`] and [`check_revocations`], for whoever has keys and time
//! at hand.
//!
//! ```
//! use jiff::Timestamp;
//! use tm_auth_verifier::{KeySet, Policy, Refusal, check};
//!
//! let keys = KeySet::from_json(br#"{"keys":[]}"#)?;
//! let policy = Policy::new("https://api.truemarkets.co/v1/auth", "https://api.truemarkets.co");
//! let refusal = check("not.a.token", &keys, &policy, Timestamp::UNIX_EPOCH).unwrap_err();
//! assert!(matches!(refusal, Refusal::Malformed(_)));
//! # Ok::<(), tm_auth_verifier::NotAKeySet>(())
//! ```
//!
//! Randomness is used for request ids and to spread polls, the time of day comes from a [`Clock`], and
//! intervals are measured by the runtime's monotonic clock.

mod algorithm;
mod background;
#[cfg(feature = "tower")]
mod bearer;
mod builder;
mod check;
mod claims;
mod clock;
#[cfg(feature = "tower")]
mod denial;
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
mod refusal;
mod revocation_feed;
mod revocations;
#[cfg(feature = "testing")]
pub mod testing;
mod verifier;

pub use algorithm::Algorithm;
pub use builder::{BuildError, VerifierBuilder};
pub use check::{CheckResult, MAX_REVOCATIONS_LEN, Outcome, check, check_revocations, explain};
pub use clock::{Clock, SystemClock};
#[cfg(feature = "tower")]
pub use denial::{Denial, RequestId};
#[cfg(feature = "axum")]
pub use extract::{Caller, Rejected};
pub use fetch::{Fetch, FetchError, FetchRequest, Fetched, Fetching};
pub use http_fetch::HttpFetch;
pub use key_cache::{KeyCache, KeyTimes, MAX_JWKS_LEN};
pub use key_set::{KeySet, NotAKeySet};
#[cfg(feature = "tower")]
pub use layer::{BearerLayer, BearerService};
pub use policy::{DEFAULT_LEEWAY, LeewayTooLong, MAX_LEEWAY, Policy};
pub use refusal::{Check, Refusal, Revoked};
pub use revocation_feed::WithoutRevocations;
pub use revocations::{REMEMBERED, Revocations};
pub use verifier::{Ages, Unavailable, Verifier, VerifyError};

/// The README's examples, run as tests.
#[cfg(all(doctest, feature = "axum", feature = "testing"))]
#[doc = include_str!("../README.md")]
struct Readme;
