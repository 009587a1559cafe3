//! Verifies True Markets access tokens locally.

mod algorithm;
mod background;
mod builder;
mod check;
mod claims;
mod clock;
mod fetch;
mod http_fetch;
mod jwk;
mod key_cache;
mod key_set;
mod policy;
mod refusal;
mod revocation_feed;
mod revocations;
mod verifier;

pub use algorithm::Algorithm;
pub use builder::{BuildError, VerifierBuilder};
pub use check::{CheckResult, MAX_REVOCATIONS_LEN, Outcome, check, check_revocations, explain};
pub use clock::{Clock, SystemClock};
pub use fetch::{Fetch, FetchError, FetchRequest, Fetched, Fetching};
pub use http_fetch::HttpFetch;
pub use key_cache::MAX_JWKS_LEN;
pub use key_set::{KeySet, NotAKeySet};
pub use policy::{DEFAULT_LEEWAY, LeewayTooLong, MAX_LEEWAY, Policy};
pub use refusal::{Check, Refusal, Revoked};
pub use revocation_feed::WithoutRevocations;
pub use revocations::{REMEMBERED, Revocations};
pub use verifier::{Ages, Unavailable, Verifier, VerifyError};
