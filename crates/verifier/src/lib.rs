//! Verifies True Markets access tokens locally.

mod algorithm;
mod check;
mod claims;
mod jwk;
mod key_set;
mod policy;
mod refusal;
mod revocations;

pub use algorithm::Algorithm;
pub use check::{CheckResult, MAX_REVOCATIONS_LEN, Outcome, check, check_revocations, explain};
pub use key_set::{KeySet, NotAKeySet};
pub use policy::{DEFAULT_LEEWAY, LeewayTooLong, MAX_LEEWAY, Policy};
pub use refusal::{Check, Refusal, Revoked};
pub use revocations::Revocations;
