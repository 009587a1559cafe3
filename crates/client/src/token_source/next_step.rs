//! What to do about a failed request: one table, without state.

use tm_auth_proto::ErrorCode;

use crate::{ApiError, ServerError};

/// The request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Mint,
    Refresh,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Repeat the request after a pause. A refresh sends the same refresh token, to which the
    /// service responds with the same successor. A mint sends a new signature.
    Retry,
    /// Like `Retry`. If a refresh still fails, mint.
    RetryThenMint,
    /// Mint: the session is over, or the service does not accept its refresh token.
    Mint,
    /// Measure the service's clock and sign again.
    CorrectClock,
    /// Sign again after the time that the service asks for.
    SignAgain,
    /// Return the error: repeating does not help. The cached access token may still be valid.
    GiveUp,
    /// Return the error and discard the cached tokens, which were revoked or have expired too.
    DiscardTokens,
}

pub(super) fn next_step(operation: Operation, error: &ApiError) -> NextStep {
    match error {
        // The service may have executed the request. Both operations may be repeated safely.
        ApiError::Unreachable { .. } | ApiError::Unreadable { .. } => NextStep::Retry,
        ApiError::Server(error) => match error.code {
            Some(code) => by_code(operation, code),
            None => by_status(operation, error),
        },
    }
}

fn by_code(operation: Operation, code: ErrorCode) -> NextStep {
    use ErrorCode as C;
    // If a refresh token is refused, the key may still mint.
    let mint_or_give_up = match operation {
        Operation::Refresh => NextStep::Mint,
        Operation::Mint => NextStep::GiveUp,
    };
    match (code, operation) {
        (C::RequestTimeout | C::RateLimited | C::Unavailable, _) => NextStep::Retry,
        (C::Internal, _) => NextStep::RetryThenMint,
        (C::TimestampOutOfRange, Operation::Mint) => NextStep::CorrectClock,
        (C::Replayed | C::ChallengeBeforeRecovery, Operation::Mint) => NextStep::SignAgain,
        (C::KeyRevoked | C::KeyExpired | C::AccountDisabled, _) => NextStep::DiscardTokens,
        // A mint would be refused for the same reason.
        (C::KeyPending | C::KeyDisabled | C::IpNotAllowed, _) => NextStep::GiveUp,
        // Most of these mean that the session is over. `refresh_superseded` means that another
        // program has a newer token of this session, so this source starts its own session instead
        // of competing for that one. If the token belongs to another environment or the account is
        // gone, the mint fails with that reason. The remaining codes are not responses to these two
        // requests.
        _ => mint_or_give_up,
    }
}

/// For the response of a proxy, or a code that is newer than this crate.
fn by_status(operation: Operation, error: &ServerError) -> NextStep {
    match (error.status, operation) {
        (500, _) => NextStep::RetryThenMint,
        (408 | 429 | 501.., _) => NextStep::Retry,
        (_, Operation::Refresh) => NextStep::Mint,
        (_, Operation::Mint) => NextStep::GiveUp,
    }
}
