//! What to do about a failed request: one table, without state.

use tm_auth_proto::ErrorCode;

use crate::{ApiError, Refusal};

/// What was asked of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Mint,
    Refresh,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask the same again after a while. A refresh is sent with the same refresh token, which the service
    /// answers with the same successor; a mint is signed anew.
    Again,
    /// As `Again`; if it stays so for a refresh, mint.
    AgainOrMint,
    /// The session is over, or its token not understood: mint.
    Mint,
    /// Measure the clock and sign anew.
    CorrectClock,
    /// Sign anew when the service said.
    SignAnew,
    /// Asking again would not help. What is held may still be good.
    GiveUp,
    /// Asking again would not help, and what is held is refused everywhere.
    Forget,
}

pub(super) fn verdict(asked: Asked, error: &ApiError) -> Verdict {
    match error {
        // Whether the request was carried out is not known; both may be asked twice.
        ApiError::Unreachable { .. } | ApiError::Unreadable { .. } => Verdict::Again,
        ApiError::Refused(refusal) => match refusal.code {
            Some(code) => by_code(asked, code),
            None => by_status(asked, refusal),
        },
    }
}

fn by_code(asked: Asked, code: ErrorCode) -> Verdict {
    use ErrorCode as C;
    // A refused refresh token says nothing about the key.
    let mint_or_give_up = match asked {
        Asked::Refresh => Verdict::Mint,
        Asked::Mint => Verdict::GiveUp,
    };
    match (code, asked) {
        (C::RequestTimeout | C::RateLimited | C::Unavailable, _) => Verdict::Again,
        (C::Internal, _) => Verdict::AgainOrMint,
        (C::TimestampOutOfRange, Asked::Mint) => Verdict::CorrectClock,
        (C::Replayed | C::ChallengeBeforeRecovery, Asked::Mint) => Verdict::SignAnew,
        (C::KeyRevoked | C::KeyExpired | C::AccountDisabled, _) => Verdict::Forget,
        // A mint would be refused for the same reason.
        (C::KeyPending | C::KeyDisabled | C::IpNotAllowed, _) => Verdict::GiveUp,
        // The session is over. `refresh_superseded`: somebody else holds a newer token of it, so this
        // source opens a session of its own instead of pulling at that one. Or the token belongs to another
        // environment, or the account is gone: the mint will tell. The other codes are no answers to these
        // two requests.
        _ => mint_or_give_up,
    }
}

/// A proxy's answer, or one with a word that is newer than this crate.
fn by_status(asked: Asked, refusal: &Refusal) -> Verdict {
    match (refusal.status, asked) {
        (500, _) => Verdict::AgainOrMint,
        (408 | 429 | 501.., _) => Verdict::Again,
        (_, Asked::Refresh) => Verdict::Mint,
        (_, Asked::Mint) => Verdict::GiveUp,
    }
}
