//! Why a step with Apple failed.

use tm_auth_proto::ErrorCode;

use crate::error::ApiError;

/// Why a step with Apple failed. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A code, token or notification was refused: the caller's side.
    Refused(&'static str),
    /// Apple did not answer, or not as it should: Apple's side or the network.
    Unavailable(String),
}

impl Failure {
    /// `field` names the part of the request that was refused.
    pub(super) fn into_error(self, field: &'static str) -> ApiError {
        match self {
            Self::Refused(cause) => ApiError::violation(ErrorCode::AppleTokenInvalid, field, cause),
            Self::Unavailable(cause) => ApiError::caused(ErrorCode::AppleUnavailable, cause),
        }
    }
}
