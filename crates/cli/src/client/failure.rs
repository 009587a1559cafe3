//! The failure of a command: a message of one line, in some cases a hint, and the exit code.

use std::process::ExitCode;

use jiff::Timestamp;
use tm_auth_client::api::BaseUrlError;
use tm_auth_client::proto::ErrorCode;
use tm_auth_client::{ApiError, KeyFileError, ServerError, SignerError};

use super::Console;

/// Why a command failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(super) exit: Exit,
    message: String,
    hint: Option<String>,
}

/// The exit codes of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The service refused the request, a check failed, or the result cannot be written.
    Refused = 1,
    /// Wrong arguments or files.
    Usage = 2,
    /// The service cannot be reached or cannot serve now. Retry later.
    Unavailable = 3,
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, message)
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The failure of a request to the service. `now` is the local time, for the hint about a wrong
    /// clock.
    pub(super) fn from_api_error(error: &ApiError, now: Timestamp) -> Self {
        let status = error.status().unwrap_or(0);
        let exit = match error {
            ApiError::Server(_) if status == 408 || status == 429 || status >= 500 => Exit::Unavailable,
            ApiError::Server(_) => Exit::Refused,
            _ => Exit::Unavailable,
        };
        Self {
            exit,
            message: error.to_string(),
            hint: match error {
                ApiError::Server(error) => error.code.and_then(|code| hint_for(code, error, now)),
                ApiError::Unreachable { .. } => {
                    Some("check TM_BASE_URL (or TM_ENV) and the network".to_owned())
                }
                _ => Some("check TM_BASE_URL".to_owned()),
            },
        }
    }

    /// Prints the failure on standard error and returns its exit code.
    pub(super) fn report(&self, console: &mut Console<'_>) -> ExitCode {
        console.note(&format!("error: {}", self.message));
        if let Some(hint) = &self.hint {
            console.note(&format!("hint: {hint}"));
        }
        ExitCode::from(self.exit as u8)
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<BaseUrlError> for Failure {
    fn from(error: BaseUrlError) -> Self {
        Self::usage(error.to_string()).hint("set TM_BASE_URL, or TM_ENV=uat for the sandbox")
    }
}

/// What the user can do about an error code, if anything.
fn hint_for(code: ErrorCode, error: &ServerError, now: Timestamp) -> Option<String> {
    let hint = match code {
        ErrorCode::TimestampOutOfRange => return clock_difference(error, now),
        ErrorCode::InvalidCredentials => {
            "check that the key is registered, that TM_ENV names its environment, and that the key file is unaltered"
        }
        ErrorCode::WrongEnvironment => {
            "the key or token belongs to the other environment: set TM_ENV=uat or TM_ENV=production"
        }
        ErrorCode::KeyRevoked | ErrorCode::KeyExpired => {
            "create and register another key: `tm-auth key new`, then `tm-auth key register`"
        }
        ErrorCode::KeyPending => "confirm on the API Keys page that the key file is saved",
        ErrorCode::KeyDisabled => "enable the key on the API Keys page",
        ErrorCode::IpNotAllowed => {
            "add this machine's address to the key's allowed addresses on the API Keys page"
        }
        ErrorCode::InvalidRefreshToken
        | ErrorCode::RefreshSuperseded
        | ErrorCode::RefreshReused
        | ErrorCode::SessionExpired
        | ErrorCode::SessionEnded => "mint again: `tm-auth token`",
        ErrorCode::MissingToken
        | ErrorCode::InvalidToken
        | ErrorCode::ManagementTokenRequired
        | ErrorCode::ReauthRequired => {
            "managing keys needs a recent login: `tm-auth login`, or a new token in TM_MANAGEMENT_TOKEN"
        }
        ErrorCode::InvalidCode => "use the code in the newest mail; `tm-auth login` mails another one",
        ErrorCode::KeyAlreadyRegistered | ErrorCode::KnownPrivateKey => {
            "create another key pair: `tm-auth key new`"
        }
        ErrorCode::KeyLimitReached => "revoke an unused key: `tm-auth key list`, then `tm-auth key revoke`",
        ErrorCode::Replayed => "run the command again: each run signs a new challenge",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// How far the local clock is from the service's. `None` if the response does not say.
fn clock_difference(error: &ServerError, now: Timestamp) -> Option<String> {
    let ahead = match error.body.as_ref().and_then(|body| body.skew_ms) {
        Some(skew_ms) => skew_ms / 1000,
        None => now.duration_since(error.server_time?).as_secs(),
    };
    let direction = if ahead < 0 { "behind" } else { "ahead" };
    Some(format!("your clock is {} s {direction}", ahead.unsigned_abs()))
}
