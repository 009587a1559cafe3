//! How a command fails: one line, a hint where there is one, and the exit code.

use std::process::ExitCode;

use jiff::Timestamp;
use tm_auth_client::api::BaseUrlError;
use tm_auth_client::proto::ErrorCode;
use tm_auth_client::{ApiError, KeyFileError, ServerError, SignerError};

use super::Console;

/// Why a command did not do its work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(super) exit: Exit,
    message: String,
    hint: Option<String>,
}

/// The exit codes other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The service refused, or a check failed. Doing the same again does not help.
    Refused = 1,
    /// Wrong arguments or files.
    Usage = 2,
    /// The service cannot be reached or cannot serve now. Try again later.
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

    /// What the service or the network said, with a way out where there is one.
    pub(super) fn of_service(error: &ApiError, now: Timestamp) -> Self {
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
                ApiError::Server(error) => error.code.and_then(|code| way_out(code, error, now)),
                ApiError::Unreachable { .. } => {
                    Some("is TM_BASE_URL (or TM_ENV) right, and the network up?".to_owned())
                }
                _ => Some("is TM_BASE_URL right?".to_owned()),
            },
        }
    }

    /// Prints it on standard error.
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

/// What to do about a code, where there is something to do.
fn way_out(code: ErrorCode, error: &ServerError, now: Timestamp) -> Option<String> {
    let hint = match code {
        ErrorCode::TimestampOutOfRange => return clock_difference(error, now),
        ErrorCode::InvalidCredentials => {
            "is this key registered, in this environment (TM_ENV), and is the key file unaltered?"
        }
        ErrorCode::WrongEnvironment => {
            "this key or token belongs to the other environment: set TM_ENV=uat or TM_ENV=production"
        }
        ErrorCode::KeyRevoked | ErrorCode::KeyExpired => {
            "make and register another: `tm-auth key new`, then `tm-auth key register`"
        }
        ErrorCode::KeyPending => "confirm on the API Keys page that the key file is saved",
        ErrorCode::KeyDisabled => "its owner can enable it again on the API Keys page",
        ErrorCode::IpNotAllowed => "the key's list of addresses does not have this machine's",
        ErrorCode::InvalidRefreshToken
        | ErrorCode::RefreshSuperseded
        | ErrorCode::RefreshReused
        | ErrorCode::SessionExpired
        | ErrorCode::SessionEnded => "mint again: `tm-auth token`",
        ErrorCode::MissingToken
        | ErrorCode::InvalidToken
        | ErrorCode::ManagementTokenRequired
        | ErrorCode::ReauthRequired => {
            "managing keys takes a sign-in of the last five minutes: `tm-auth login`, or a token in TM_MANAGEMENT_TOKEN"
        }
        ErrorCode::InvalidCode => "the newest mail has the code that works; for another one: `tm-auth login`",
        ErrorCode::KeyAlreadyRegistered | ErrorCode::KnownPrivateKey => "make a new pair: `tm-auth key new`",
        ErrorCode::KeyLimitReached => "revoke one that is not used: `tm-auth key list`, `tm-auth key revoke`",
        ErrorCode::Replayed => "run it again: every run signs anew",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn clock_difference(error: &ServerError, now: Timestamp) -> Option<String> {
    let ahead = match error.body.as_ref().and_then(|body| body.skew_ms) {
        Some(skew_ms) => skew_ms / 1000,
        None => now.duration_since(error.server_time?).as_secs(),
    };
    let direction = if ahead < 0 { "behind" } else { "ahead" };
    Some(format!("your clock is {} s {direction}", ahead.unsigned_abs()))
}
