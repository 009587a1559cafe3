//! The checks of a token in their order, and the reasons for which one is refused.

use tm_auth_proto::compact::Malformed;

use crate::Check;

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The token does not hold: 401.
    #[error(transparent)]
    InvalidToken(#[from] InvalidToken),
    /// Nothing was decided: 503.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What is missing to decide. The issuer's side or the network's, never the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No keys were ever had, or they were not confirmed for too long.
    #[error("the issuer's keys cannot be had")]
    Keys,
    /// The revocation list cannot be had, and the policy is [`crate::OnStaleRevocations::FailClosed`].
    #[error("the revocation list cannot be had")]
    Revocations,
}

/// Why a token was refused: for logs and for its holder's own machine. Over HTTP every one of them is the
/// same answer. Never holds text out of the token, which may be anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Not a compact JWS that is looked at.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// `typ` is missing or names another kind of token: a refresh token, an ID token, a revocation list.
    #[error("`typ` is not that of an access token")]
    WrongType,
    /// `alg` is not RS256, ES256 or EdDSA.
    #[error("`alg` is not RS256, ES256 or EdDSA")]
    AlgorithmNotPermitted,
    /// `alg` is permitted, but is not the one the key is for.
    #[error("`alg` is not the algorithm of the key that `kid` names")]
    AlgorithmMismatch,
    /// `kid` is missing or names no key of the issuer.
    #[error("`kid` names no key of the issuer")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the signature is not one of the key that `kid` names over these bytes")]
    BadSignature,
    /// The payload is not a JSON object with unique names.
    #[error("the payload is not a JSON object whose names are unique")]
    MalformedPayload,
    /// A required claim is missing.
    #[error("the claim `{0}` is missing")]
    MissingClaim(&'static str),
    /// A claim has the wrong type: times are integers of Unix seconds, not negative.
    #[error("the claim `{0}` has the wrong type or an impossible value")]
    InvalidClaim(&'static str),
    /// `iss` differs, by however little.
    #[error("`iss` is not the expected issuer")]
    WrongIssuer,
    /// `aud` does not have us as a member.
    #[error("`aud` does not name this audience")]
    WrongAudience,
    /// The token is of the other environment.
    #[error("`env` is not this environment")]
    WrongEnvironment,
    /// `exp` and the leeway are past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is further ahead than the leeway.
    #[error("the token is not valid yet: `nbf` is ahead")]
    NotYetValid,
    /// `iat` is further ahead than the leeway.
    #[error("the token was issued in the future: `iat` is ahead")]
    IssuedInFuture,
    /// It is on the revocation list.
    #[error("the token was revoked: {0}")]
    Revoked(Revoked),
}

/// What the revocation list says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revoked {
    /// Its session was ended.
    #[error("its session was ended")]
    Session,
    /// The API key that minted it was revoked.
    #[error("the API key that minted it was revoked")]
    Key,
    /// Its account ended all tokens up to a time.
    #[error("its account ended every token issued before a time")]
    Account,
    /// The issuer ended all tokens up to a time.
    #[error("the issuer ended every token issued before a time")]
    Everything,
}

impl InvalidToken {
    /// The check that failed.
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
