//! Reasons for which the service refuses a request. This module knows nothing of HTTP.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_proto::error::Recover;
use tm_auth_proto::{Environment, ErrorCode};

/// Reason for refusing a request. Variants contain only facts that the caller may learn; `Display`
/// is the message for the caller.
// Not `#[non_exhaustive]`, like all enums of this crate: only this workspace uses it, and the
// compiler should find each match that a new variant affects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field is malformed. See [`ErrorCode::InvalidRequest`].
    #[error("{field}: {problem}")]
    InvalidField {
        /// Path of the field in the request.
        field: &'static str,
        /// What is wrong with the field.
        problem: String,
    },
    /// See [`ErrorCode::BadSignatureEncoding`].
    #[error("signature: {0}")]
    BadSignatureEncoding(#[from] crate::signature::EncodingError),
    /// See [`ErrorCode::WrongEnvironment`].
    #[error("this is the {here} environment, but the credential belongs to {theirs}: use {}", theirs.public_base_url())]
    WrongEnvironment {
        /// Environment of this service.
        here: Environment,
        /// Environment of the credential.
        theirs: Environment,
    },
    /// See [`ErrorCode::TimestampOutOfRange`].
    #[error("timestamp is {} s {} the server's clock{}", skew_ms.unsigned_abs() / 1000, if *skew_ms < 0 { "behind" } else { "ahead of" }, hint.as_str())]
    TimestampOutOfRange {
        /// Time on the server's clock.
        server_time: Timestamp,
        /// The request's timestamp minus the server's clock, in milliseconds.
        skew_ms: i64,
        /// Likely mistake of the caller.
        hint: TimestampHint,
    },
    /// See [`ErrorCode::InvalidCredentials`]. The same for an unknown key and for a wrong
    /// signature, so that callers cannot find out which keys exist.
    #[error("no API key with this id verifies the signature of `{{key_id}}.{{timestamp}}`")]
    InvalidCredentials,
    /// See [`ErrorCode::Replayed`].
    #[error("this signature was already used; sign again with a later timestamp")]
    Replayed,
    /// See [`ErrorCode::ChallengeBeforeRecovery`].
    #[error("this signature was made before the service was restored from a backup; sign again")]
    ChallengeBeforeRecovery,
    /// See [`ErrorCode::KeyRevoked`].
    #[error("this API key was revoked")]
    KeyRevoked,
    /// See [`ErrorCode::KeyExpired`].
    #[error("this API key has expired")]
    KeyExpired,
    /// See [`ErrorCode::KeyPending`].
    #[error("this API key is pending; its owner must first confirm that the key file is saved")]
    KeyPending,
    /// See [`ErrorCode::KeyDisabled`].
    #[error("this API key is disabled; its owner can enable it again")]
    KeyDisabled,
    /// See [`ErrorCode::AccountDisabled`].
    #[error("the account of this API key is disabled")]
    AccountDisabled,
    /// See [`ErrorCode::IpNotAllowed`].
    #[error("this API key may not be used from {seen}")]
    IpNotAllowed {
        /// Address from which the request came.
        seen: IpAddr,
    },
    /// See [`ErrorCode::InvalidRefreshToken`].
    #[error("the token is not a refresh token of this service")]
    InvalidRefreshToken,
    /// See [`ErrorCode::RefreshSuperseded`].
    #[error("a newer refresh token of this session was issued moments ago; use that one")]
    RefreshSuperseded,
    /// See [`ErrorCode::RefreshReused`].
    #[error("an old refresh token was reused; the session was ended as a precaution")]
    RefreshReused,
    /// See [`ErrorCode::SessionExpired`].
    #[error("the session has expired, or is unknown")]
    SessionExpired,
    /// See [`ErrorCode::SessionEnded`].
    #[error("the session was ended")]
    SessionEnded,
    /// See [`ErrorCode::InvalidPublicKey`].
    #[error("public_key: {0}")]
    InvalidPublicKey(&'static str),
    /// See [`ErrorCode::PrivateKeySubmitted`].
    #[error(
        "this is a private key ({0}). It was not stored or logged, but discard it and create a new key pair; submit only the public key"
    )]
    PrivateKeySubmitted(&'static str),
    /// See [`ErrorCode::KnownPrivateKey`].
    #[error("the private half of this key is public; create a new key pair")]
    KnownPrivateKey,
    /// See [`ErrorCode::InvalidProof`].
    #[error(
        "proof: the signature does not verify; check the signed text (issuer, account or key id, fingerprint, timestamp)"
    )]
    InvalidProof,
    /// See [`ErrorCode::KeyAlreadyRegistered`].
    #[error("this public key was registered before; create a new key pair")]
    KeyAlreadyRegistered,
    /// See [`ErrorCode::KeyLimitReached`].
    #[error("the account has reached its limit of {limit} API keys; revoke one first")]
    KeyLimitReached {
        /// Maximum number of keys, not counting expired and revoked ones.
        limit: u32,
    },
    /// See [`ErrorCode::RateLimited`].
    #[error(
        "the account has registered {limit} API keys within 24 hours; register the next one after {retry_at}"
    )]
    TooManyRegistrations {
        /// Maximum number of registrations within 24 hours.
        limit: u32,
        /// When the next registration is possible.
        retry_at: Timestamp,
    },
    /// See [`ErrorCode::KeyNotFound`].
    #[error("this account has no such API key")]
    KeyNotFound,
    /// See [`ErrorCode::AppleLinkedElsewhere`].
    #[error("this Apple account is linked to another account here; unlink it there first")]
    AppleLinkedElsewhere,
    /// See [`ErrorCode::AppleAlreadyLinked`].
    #[error("this account already has a linked Apple account; unlink that one first")]
    AppleAlreadyLinked,
    /// See [`ErrorCode::KeyNotLive`].
    #[error("this API key is revoked or expired and cannot be changed")]
    KeyNotLive,
    /// See [`ErrorCode::InvalidCode`].
    #[error("this code is wrong, used or expired; request a new one")]
    InvalidCode,
    /// See [`ErrorCode::AddressInCooldown`].
    #[error(
        "this e-mail address belongs to another account, or did in the last 30 days; use another address"
    )]
    AddressInCooldown,
    /// See [`ErrorCode::PasskeyRefused`].
    #[error("the passkey response is not valid here; try again, or log in another way")]
    PasskeyRefused,
    /// See [`ErrorCode::CeremonyOver`].
    #[error("this took too long, was already completed, or belongs to another browser; start again")]
    CeremonyOver,
    /// See [`ErrorCode::PasskeyAlreadyRegistered`].
    #[error("this passkey is already registered")]
    PasskeyAlreadyRegistered,
    /// See [`ErrorCode::PasskeyLimitReached`].
    #[error("the account has reached its limit of {limit} passkeys; remove one first")]
    PasskeyLimitReached {
        /// Maximum number of passkeys.
        limit: u32,
    },
    /// See [`ErrorCode::PasskeyNotFound`].
    #[error("this account has no such passkey")]
    PasskeyNotFound,
    /// See [`ErrorCode::LastLoginMethod`].
    #[error("this is the last way to log in to the account; add another one first")]
    LastLoginMethod,
    /// See [`ErrorCode::NothingToRecover`].
    #[error("this account has no passkey, so there is nothing to recover")]
    NothingToRecover,
    /// See [`ErrorCode::ReauthRequired`].
    #[error("this account has a passkey; log in with it")]
    ProofTooWeak,
}

/// Likely mistake of a caller whose timestamp is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampHint {
    /// Unknown.
    None,
    /// The caller sent milliseconds, microseconds or nanoseconds.
    NotSeconds,
}

impl TimestampHint {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::NotSeconds => "; its unit may be milliseconds: send whole Unix seconds",
        }
    }
}

impl Refusal {
    /// The error code of the response.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidField { .. } => ErrorCode::InvalidRequest,
            Self::BadSignatureEncoding(_) => ErrorCode::BadSignatureEncoding,
            Self::WrongEnvironment { .. } => ErrorCode::WrongEnvironment,
            Self::TimestampOutOfRange { .. } => ErrorCode::TimestampOutOfRange,
            Self::InvalidCredentials => ErrorCode::InvalidCredentials,
            Self::Replayed => ErrorCode::Replayed,
            Self::ChallengeBeforeRecovery => ErrorCode::ChallengeBeforeRecovery,
            Self::KeyRevoked => ErrorCode::KeyRevoked,
            Self::KeyExpired => ErrorCode::KeyExpired,
            Self::KeyPending => ErrorCode::KeyPending,
            Self::KeyDisabled => ErrorCode::KeyDisabled,
            Self::AccountDisabled => ErrorCode::AccountDisabled,
            Self::IpNotAllowed { .. } => ErrorCode::IpNotAllowed,
            Self::InvalidRefreshToken => ErrorCode::InvalidRefreshToken,
            Self::RefreshSuperseded => ErrorCode::RefreshSuperseded,
            Self::RefreshReused => ErrorCode::RefreshReused,
            Self::SessionExpired => ErrorCode::SessionExpired,
            Self::SessionEnded => ErrorCode::SessionEnded,
            Self::InvalidPublicKey(_) => ErrorCode::InvalidPublicKey,
            Self::PrivateKeySubmitted(_) => ErrorCode::PrivateKeySubmitted,
            Self::KnownPrivateKey => ErrorCode::KnownPrivateKey,
            Self::InvalidProof => ErrorCode::InvalidProof,
            Self::KeyAlreadyRegistered => ErrorCode::KeyAlreadyRegistered,
            Self::KeyLimitReached { .. } => ErrorCode::KeyLimitReached,
            Self::TooManyRegistrations { .. } => ErrorCode::RateLimited,
            Self::KeyNotFound => ErrorCode::KeyNotFound,
            Self::AppleLinkedElsewhere => ErrorCode::AppleLinkedElsewhere,
            Self::AppleAlreadyLinked => ErrorCode::AppleAlreadyLinked,
            Self::KeyNotLive => ErrorCode::KeyNotLive,
            Self::InvalidCode => ErrorCode::InvalidCode,
            Self::AddressInCooldown => ErrorCode::AddressInCooldown,
            Self::PasskeyRefused => ErrorCode::PasskeyRefused,
            Self::CeremonyOver => ErrorCode::CeremonyOver,
            Self::PasskeyAlreadyRegistered => ErrorCode::PasskeyAlreadyRegistered,
            Self::PasskeyLimitReached { .. } => ErrorCode::PasskeyLimitReached,
            Self::PasskeyNotFound => ErrorCode::PasskeyNotFound,
            Self::LastLoginMethod => ErrorCode::LastLoginMethod,
            Self::NothingToRecover => ErrorCode::NothingToRecover,
            Self::ProofTooWeak => ErrorCode::ReauthRequired,
        }
    }

    /// How the caller gets working tokens again, if its session is lost: the holder of an API key
    /// can mint new ones.
    pub fn recover(&self) -> Option<Recover> {
        match self {
            Self::InvalidRefreshToken | Self::RefreshReused | Self::SessionExpired | Self::SessionEnded => {
                Some(Recover::ApiKey)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
