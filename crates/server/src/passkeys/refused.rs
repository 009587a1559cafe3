//! Why an answer is refused: a reason for the log, one response for the caller.

use tm_auth_core::Refusal;

use crate::error::ApiError;

/// Why an authenticator's answer was refused, for the log only. Every reason gives the same
/// response: a caller who could tell them apart could find out which credentials exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(&'static str);

pub(super) fn because(reason: &'static str) -> Refused {
    Refused(reason)
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Self::from(Refusal::PasskeyRefused).because(refused.0)
    }
}
