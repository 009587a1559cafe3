//! Errors of a request: refusals, failures and defects, with a message for the caller and a cause
//! for the log.
//!
//! Knows nothing of HTTP responses. [`crate::http::error`] turns an error into one.

use jiff::Timestamp;
use tm_auth_core::Refusal;
use tm_auth_core::refusal::TimestampHint;
use tm_auth_listener::{BodyError, Overdue};
use tm_auth_proto::error::Recover;
use tm_auth_proto::{ErrorBody, ErrorCode, FieldViolation};
use tm_auth_store::StoreError;
use tm_auth_store::error::Chain;

/// An error response. [`crate::middleware`] adds the request id.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) code: ErrorCode,
    message: String,
    field_violations: Vec<FieldViolation>,
    recover: Option<Recover>,
    /// The time of the service's clock, and the caller's difference from it in milliseconds.
    clock: Option<(Timestamp, i64)>,
    /// Seconds until a retry can succeed.
    pub(crate) retry_after: Option<u64>,
    /// For the log only.
    pub(crate) cause: Option<Box<str>>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode) -> Self {
        Self::with_message(code, code.meaning().trim().to_owned())
    }

    pub(crate) fn with_message(code: ErrorCode, message: String) -> Self {
        Self {
            code,
            message,
            field_violations: Vec::new(),
            recover: None,
            clock: None,
            // RFC 9110 section 10.2.3. The next second has another timestamp to sign.
            retry_after: match code {
                ErrorCode::Replayed | ErrorCode::Unavailable | ErrorCode::AppleUnavailable => Some(1),
                _ => None,
            },
            cause: None,
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self {
            field_violations: vec![FieldViolation {
                field: field.clone(),
                message: problem.clone(),
            }],
            ..Self::with_message(ErrorCode::InvalidRequest, format!("{field}: {problem}"))
        }
    }

    /// An error with a cause for the log, which the caller does not see.
    pub(crate) fn caused(code: ErrorCode, cause: impl ToString) -> Self {
        Self::new(code).because(cause)
    }

    /// As [`ApiError::caused`], about one field.
    pub(crate) fn violation(code: ErrorCode, field: &str, cause: impl ToString) -> Self {
        let error = Self::caused(code, cause);
        Self {
            field_violations: vec![FieldViolation {
                field: field.to_owned(),
                message: error.message.clone(),
            }],
            ..error
        }
    }

    /// Adds a cause for the log, which the caller does not see. It has no text of the caller.
    pub(crate) fn because(self, cause: impl ToString) -> Self {
        Self {
            cause: Some(cause.to_string().into()),
            ..self
        }
    }

    pub(crate) fn rate_limited(seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(ErrorCode::RateLimited)
        }
    }

    /// A refusal that says when a retry can succeed says it in seconds from `now`.
    pub(crate) fn refused_at(refusal: Refusal, now: Timestamp) -> Self {
        let retry_after = match refusal {
            Refusal::TooManyRegistrations { retry_at, .. } => {
                let wait = retry_at.duration_since(now).unsigned_abs();
                Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            }
            _ => None,
        };
        let error = Self::from(refusal);
        Self {
            retry_after: retry_after.or(error.retry_after),
            ..error
        }
    }

    /// A defect of this service. The caller does not see the cause.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::caused(ErrorCode::Internal, cause)
    }

    pub(crate) fn unavailable(cause: impl ToString) -> Self {
        Self::caused(ErrorCode::Unavailable, cause)
    }

    /// Whether the request was refused. Otherwise this service failed.
    pub(crate) fn is_refusal(&self) -> bool {
        (400..500).contains(&self.code.status())
    }

    /// The message for the caller.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The fields that are wrong.
    pub(crate) fn field_violations(&self) -> &[FieldViolation] {
        &self.field_violations
    }

    pub(crate) fn into_body(self, request_id: String) -> ErrorBody {
        ErrorBody {
            type_: self.code.type_(),
            code: self.code,
            message: self.message,
            field_violations: self.field_violations,
            request_id,
            retryable: self.code.retryable(),
            recover: self.recover,
            server_time: self.clock.map(|(server_time, _)| server_time),
            skew_ms: self.clock.map(|(_, skew_ms)| skew_ms),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let mut error = match &refusal {
            Refusal::InvalidField { field, problem } => Self::invalid(*field, problem),
            _ => Self::with_message(refusal.code(), refusal.to_string()),
        };
        error.recover = refusal.recover();
        if let Refusal::TimestampOutOfRange {
            server_time, skew_ms, ..
        } = refusal
        {
            error.clock = Some((server_time, skew_ms));
        }
        if let Some((field, message)) = violation(&refusal) {
            error.field_violations = vec![FieldViolation {
                field: field.to_owned(),
                message,
            }];
        }
        error
    }
}

/// The field that a refusal concerns and what is wrong with it, if the refusal does not say so
/// itself.
fn violation(refusal: &Refusal) -> Option<(&'static str, String)> {
    match refusal {
        Refusal::BadSignatureEncoding(problem) => Some(("signature", problem.to_string())),
        Refusal::InvalidPublicKey(problem) => Some(("public_key", (*problem).to_owned())),
        Refusal::PrivateKeySubmitted(form) => Some((
            "public_key",
            format!("is a private key ({form}); send the public key of another key pair"),
        )),
        Refusal::KnownPrivateKey => Some(("public_key", "its private half is published".to_owned())),
        Refusal::PasskeyRefused | Refusal::CeremonyOver => Some(("credential", refusal.to_string())),
        Refusal::InvalidProof => Some(("proof", "the signature does not verify".to_owned())),
        Refusal::TimestampOutOfRange {
            hint: TimestampHint::NotSeconds,
            ..
        } => Some(("timestamp", "send whole Unix seconds".to_owned())),
        _ => None,
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge => ErrorCode::BodyTooLarge,
            BodyError::TooSlow => ErrorCode::RequestTimeout,
            BodyError::Broken => return Self::invalid("body", error.to_string()),
        };
        Self::with_message(code, error.to_string())
    }
}

/// The outcome of the request is unknown: a change may still be made. So the response is 503, never
/// a refusal.
impl From<Overdue> for ApiError {
    fn from(_: Overdue) -> Self {
        Self::new(ErrorCode::Unavailable)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // A damaged file may still answer other requests, and a restore repairs it.
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => Self::unavailable(Chain(&error)),
            StoreError::Damaged(_) | StoreError::Unusable(_) => Self::internal(Chain(&error)),
        }
    }
}
