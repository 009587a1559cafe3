//! One answer for every reason.

use tm_auth_core::Refusal;

use crate::error::ApiError;

/// Why an authenticator's answer does not hold: for the log alone. Whoever sends it learns that it does not, or
/// they could try out what is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(&'static str);

pub(super) fn because(reason: &'static str) -> Refused {
    Refused(reason)
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let mut error = Self::from(Refusal::PasskeyRefused);
        error.cause = Some(refused.0.into());
        error
    }
}
