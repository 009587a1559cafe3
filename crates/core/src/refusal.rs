//! Why the service says no: one enum, free of HTTP, each variant with the facts its caller may learn.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_proto::error::Recover;
use tm_auth_proto::{Environment, ErrorCode};

/// A refusal. `Display` is the text for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field is malformed.
    #[error("{field}: {problem}")]
    InvalidField {
        /// Its path in the request.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The signature's encoding is none of the accepted ones.
    #[error("signature: {0}")]
    BadSignatureEncoding(#[from] crate::signature::EncodingError),
    /// The credential belongs to the other environment.
    #[error("this is the {here} environment; the credential belongs to {theirs}: use {}", theirs.public_base_url())]
    WrongEnvironment {
        /// The environment of this service.
        here: Environment,
        /// The environment of the credential.
        theirs: Environment,
    },
    /// The challenge is too old or too new.
    #[error("timestamp is {} s {} the server's clock{}", skew_ms.unsigned_abs() / 1000, if *skew_ms < 0 { "behind" } else { "ahead of" }, hint.as_str())]
    TimestampOutOfRange {
        /// The server's clock.
        server_time: Timestamp,
        /// The caller's timestamp less the server's clock.
        skew_ms: i64,
        /// What the caller probably did.
        hint: TimestampHint,
    },
    /// Unknown key, or a signature that does not verify: one answer for both.
    #[error("no API key with this id verifies the signature of `{{key_id}}.{{timestamp}}`")]
    InvalidCredentials,
    /// The challenge was used before.
    #[error("this signature was used already; sign again with a later timestamp")]
    Replayed,
    /// The challenge is older than the restore of the database.
    #[error("the service was restored after this signature was made; sign again")]
    ChallengeBeforeRecovery,
    /// See [`ErrorCode::KeyRevoked`].
    #[error("this API key was revoked")]
    KeyRevoked,
    /// See [`ErrorCode::KeyExpired`].
    #[error("this API key has expired")]
    KeyExpired,
    /// See [`ErrorCode::KeyPending`].
    #[error("this API key waits for its owner to confirm that the key file is saved")]
    KeyPending,
    /// See [`ErrorCode::KeyDisabled`].
    #[error("this API key is disabled for now; its owner can enable it again")]
    KeyDisabled,
    /// See [`ErrorCode::AccountDisabled`].
    #[error("the account of this API key is disabled")]
    AccountDisabled,
    /// See [`ErrorCode::IpNotAllowed`].
    #[error("this API key may not be used from {seen}")]
    IpNotAllowed {
        /// The address the request came from.
        seen: IpAddr,
    },
    /// See [`ErrorCode::InvalidRefreshToken`].
    #[error("the refresh token is not one of this service")]
    InvalidRefreshToken,
    /// See [`ErrorCode::RefreshSuperseded`].
    #[error("a newer refresh token of this session was handed out moments ago; use that one")]
    RefreshSuperseded,
    /// See [`ErrorCode::RefreshReused`].
    #[error("an old refresh token was used again, so the session was ended as a precaution")]
    RefreshReused,
    /// See [`ErrorCode::SessionExpired`].
    #[error("the session is over")]
    SessionExpired,
    /// See [`ErrorCode::SessionEnded`].
    #[error("the session was ended")]
    SessionEnded,
    /// See [`ErrorCode::InvalidPublicKey`].
    #[error("public_key: {0}")]
    InvalidPublicKey(&'static str),
    /// See [`ErrorCode::PrivateKeySubmitted`].
    #[error(
        "this is a private key: it was not stored, but discard it and make a new pair; only the public key belongs here"
    )]
    PrivateKeySubmitted,
    /// See [`ErrorCode::KnownPrivateKey`].
    #[error("the private half of this key is published; make a new pair")]
    KnownPrivateKey,
    /// See [`ErrorCode::InvalidProof`].
    #[error(
        "proof: the signature does not verify over the registration text of this issuer, account, key and timestamp"
    )]
    InvalidProof,
    /// See [`ErrorCode::KeyAlreadyRegistered`].
    #[error("this public key was registered before; make a new pair")]
    KeyAlreadyRegistered,
    /// See [`ErrorCode::KeyLimitReached`].
    #[error("an account may have {limit} live API keys; revoke one first")]
    KeyLimitReached {
        /// The limit.
        limit: u32,
    },
    /// See [`ErrorCode::KeyNotFound`].
    #[error("this account has no such API key")]
    KeyNotFound,
    /// See [`ErrorCode::AppleLinkedElsewhere`].
    #[error("this Apple account signs in to another account here; unlink it there first")]
    AppleLinkedElsewhere,
    /// See [`ErrorCode::AppleAlreadyLinked`].
    #[error("this account has an Apple account already; unlink that one first")]
    AppleAlreadyLinked,
    /// See [`ErrorCode::KeyNotLive`].
    #[error("this API key is revoked or expired and cannot be changed")]
    KeyNotLive,
    /// See [`ErrorCode::InvalidCode`].
    #[error("this code is wrong, used or too old; ask for another one")]
    InvalidCode,
    /// See [`ErrorCode::AddressResting`].
    #[error("this address was another account's until recently and cannot be used for a new one yet")]
    AddressResting,
    /// See [`ErrorCode::PasskeyRefused`].
    #[error("this passkey's answer is not accepted here; try again, or sign in another way")]
    PasskeyRefused,
    /// See [`ErrorCode::CeremonyOver`].
    #[error("that took too long, was answered already or belongs to another browser; begin again")]
    CeremonyOver,
    /// See [`ErrorCode::PasskeyAlreadyRegistered`].
    #[error("this passkey is registered already")]
    PasskeyAlreadyRegistered,
    /// See [`ErrorCode::PasskeyLimitReached`].
    #[error("an account may have {limit} passkeys; remove one first")]
    PasskeyLimitReached {
        /// The limit.
        limit: u32,
    },
    /// See [`ErrorCode::PasskeyNotFound`].
    #[error("this account has no such passkey")]
    PasskeyNotFound,
    /// See [`ErrorCode::LastWayIn`].
    #[error("this is the last way into the account; add another one first")]
    LastWayIn,
    /// See [`ErrorCode::NothingToRecover`].
    #[error("this account has no passkey, so there is none to wait for")]
    NothingToRecover,
    /// See [`ErrorCode::ReauthRequired`].
    #[error("this account has a passkey: sign in with it")]
    ProofTooWeak,
}

/// What a caller with a far-off timestamp probably did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampHint {
    /// Nothing to add.
    None,
    /// Sent milliseconds, microseconds or nanoseconds.
    NotSeconds,
}

impl TimestampHint {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::NotSeconds => "; it looks like a finer unit: send whole Unix seconds",
        }
    }
}

impl Refusal {
    /// The machine word.
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
            Self::PrivateKeySubmitted => ErrorCode::PrivateKeySubmitted,
            Self::KnownPrivateKey => ErrorCode::KnownPrivateKey,
            Self::InvalidProof => ErrorCode::InvalidProof,
            Self::KeyAlreadyRegistered => ErrorCode::KeyAlreadyRegistered,
            Self::KeyLimitReached { .. } => ErrorCode::KeyLimitReached,
            Self::KeyNotFound => ErrorCode::KeyNotFound,
            Self::AppleLinkedElsewhere => ErrorCode::AppleLinkedElsewhere,
            Self::AppleAlreadyLinked => ErrorCode::AppleAlreadyLinked,
            Self::KeyNotLive => ErrorCode::KeyNotLive,
            Self::InvalidCode => ErrorCode::InvalidCode,
            Self::AddressResting => ErrorCode::AddressResting,
            Self::PasskeyRefused => ErrorCode::PasskeyRefused,
            Self::CeremonyOver => ErrorCode::CeremonyOver,
            Self::PasskeyAlreadyRegistered => ErrorCode::PasskeyAlreadyRegistered,
            Self::PasskeyLimitReached { .. } => ErrorCode::PasskeyLimitReached,
            Self::PasskeyNotFound => ErrorCode::PasskeyNotFound,
            Self::LastWayIn => ErrorCode::LastWayIn,
            Self::NothingToRecover => ErrorCode::NothingToRecover,
            Self::ProofTooWeak => ErrorCode::ReauthRequired,
        }
    }

    /// How the caller gets going again: a holder of a working key mints anew.
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
