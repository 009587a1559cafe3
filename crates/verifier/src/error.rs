//! Why a token was not accepted, and whose fault that is.

use tm_auth_proto::compact::Malformed;

use crate::Check;

/// Why [`Verifier::verify`](crate::Verifier::verify) did not accept a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The caller's fault: the token is not valid here. Respond with 401.
    #[error(transparent)]
    InvalidToken(#[from] InvalidToken),
    /// The fault of the auth service or the network: the token was not judged. Respond with 503.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What the verifier needs to decide and could not fetch from the auth service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The keys were never fetched, or not confirmed within `keys_max_stale`.
    #[error("the issuer's keys are not available")]
    Keys,
    /// The revocation list is stale and the setting is
    /// [`OnStaleRevocations::FailClosed`](crate::OnStaleRevocations::FailClosed).
    #[error("the revocation list is not available")]
    Revocations,
}

/// Why a token, or a revocation list, is invalid.
///
/// The reason is for logs and for tools of the token's holder: over HTTP every reason gives the
/// same response. No reason contains text from the token, because an attacker may have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidToken {
    /// The token is not a JWS in compact serialization, or not one that this verifier supports.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// `typ` is missing or names another kind of token, such as a refresh token or an ID token.
    #[error("`typ` does not name the expected kind of token")]
    WrongType,
    /// `alg` is not RS256, ES256 or EdDSA.
    #[error("`alg` is not RS256, ES256 or EdDSA")]
    AlgorithmNotPermitted,
    /// `alg` is permitted, but it is not the algorithm of the key that `kid` names.
    #[error("`alg` is not the algorithm of the key that `kid` names")]
    AlgorithmMismatch,
    /// `kid` is missing or names no key of the issuer.
    #[error("`kid` names no key of the issuer")]
    UnknownKey,
    /// The signature does not verify with the key that `kid` names.
    #[error("the signature does not verify with the key that `kid` names")]
    BadSignature,
    /// The payload is not a JSON object with unique names or, in a revocation list, a member is
    /// missing or has the wrong type.
    #[error("the payload is not a JSON object with unique names and the expected members")]
    MalformedPayload,
    /// A required claim is missing.
    #[error("the claim `{0}` is missing")]
    MissingClaim(&'static str),
    /// A claim has the wrong type, is an empty string, or is a time that is not a whole,
    /// non-negative number of Unix seconds.
    #[error("the claim `{0}` has the wrong type or an invalid value")]
    InvalidClaim(&'static str),
    /// `iss` is not, byte for byte, the expected issuer.
    #[error("`iss` is not the expected issuer")]
    WrongIssuer,
    /// `aud` contains none of the expected audiences or, if a sole audience is required, also
    /// others.
    #[error("`aud` does not name this audience")]
    WrongAudience,
    /// `env` is not the expected environment.
    #[error("`env` is not the expected environment")]
    WrongEnvironment,
    /// `exp` plus the leeway has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future by more than the leeway.
    #[error("the token is not valid yet: `nbf` is in the future")]
    NotYetValid,
    /// `iat` is in the future by more than the leeway.
    #[error("`iat` is in the future")]
    IssuedInFuture,
    /// The revocation list revokes the token.
    #[error("the token was revoked: {0}")]
    Revoked(Revoked),
}

/// Which entry of the revocation list revokes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Revoked {
    /// The token's session ended.
    #[error("its session ended")]
    Session,
    /// The API key that minted it was revoked.
    #[error("the API key that minted it was revoked")]
    Key,
    /// The account's tokens that were issued before a certain time were revoked.
    #[error("the account's older tokens were revoked")]
    Account,
    /// All of the issuer's tokens that were issued before a certain time were revoked.
    #[error("all of the issuer's older tokens were revoked")]
    Everything,
}

impl InvalidToken {
    /// Returns the check that failed.
    pub fn check(self) -> Check {
        match self {
            Self::Malformed(_) => Check::Form,
            Self::WrongType => Check::Type,
            Self::AlgorithmNotPermitted | Self::AlgorithmMismatch => Check::Algorithm,
            Self::UnknownKey => Check::Key,
            Self::BadSignature => Check::Signature,
            Self::MalformedPayload | Self::MissingClaim(_) | Self::InvalidClaim(_) => Check::Claims,
            Self::WrongIssuer => Check::Issuer,
            Self::WrongAudience => Check::Audience,
            Self::WrongEnvironment => Check::Environment,
            Self::Expired => Check::Expiry,
            Self::NotYetValid => Check::NotBefore,
            Self::IssuedInFuture => Check::IssuedAt,
            Self::Revoked(_) => Check::Revocation,
        }
    }
}
