//! The state that the tasks of a bot share. It is behind a lock that is never held across an await.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::single_flight::SingleFlight;
use super::token_pair::{Freshness, TokenPair};
use super::{AccessToken, TokenError};

/// The longest backoff after a failed renewal, unless the service asks for more.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is honoured: a misconfigured proxy may ask for hours.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(5);

#[derive(Default)]
pub(super) struct State {
    pub(super) tokens: Option<TokenPair>,
    pub(super) flight: SingleFlight,
    /// The service's clock minus the local clock. Zero until a difference was measured.
    pub(super) skew: SignedDuration,
    pub(super) key_expires_at: Option<Timestamp>,
    /// Whether the coming expiry of the API key was logged.
    pub(super) warned_of_key_expiry: bool,
    backoff: Option<Backoff>,
}

/// The pause after a failed renewal.
struct Backoff {
    until: Timestamp,
    error: TokenError,
    /// The number of failed renewals in a row.
    failures: u32,
}

/// What a caller gets from the state.
pub(super) enum Lookup {
    /// Return this token.
    Fresh(AccessToken),
    /// Return this token, and start a renewal.
    RefreshDue(AccessToken),
    /// Return the error of the last renewal: it is too early for the next one.
    BackingOff(TokenError),
    /// Join a renewal and wait for its outcome.
    Missing,
}

impl State {
    /// Returns the service's clock, as far as it is known.
    pub(super) fn server_clock(&self, local: Timestamp) -> Timestamp {
        local.checked_add(self.skew).unwrap_or(local)
    }

    /// Steps 1, 2 and 5 of the [token source](super).
    pub(super) fn lookup(&self, local: Timestamp) -> Lookup {
        let now = self.server_clock(local);
        // If the local clock was set back, `until` may be far ahead. Ignore a backoff longer than
        // the longest possible one.
        let backoff = self.backoff.as_ref().filter(|backoff| {
            let left = backoff.until.duration_since(local);
            left.is_positive() && left.unsigned_abs() <= MAX_RETRY_AFTER
        });
        match (&self.tokens, backoff) {
            (Some(tokens), backoff) if tokens.freshness(now) != Freshness::Unusable => {
                let token = tokens.access_token.clone();
                if tokens.freshness(now) == Freshness::RefreshDue && backoff.is_none() {
                    Lookup::RefreshDue(token)
                } else {
                    Lookup::Fresh(token)
                }
            }
            (_, Some(backoff)) if self.flight.is_idle() => Lookup::BackingOff(backoff.error.clone()),
            _ => Lookup::Missing,
        }
    }

    pub(super) fn invalidate(&mut self, token: &AccessToken) {
        if let Some(tokens) = &mut self.tokens
            && tokens.access_token == *token
        {
            tokens.reject();
        }
    }

    pub(super) fn record_success(&mut self, tokens: TokenPair) {
        self.tokens = Some(tokens);
        self.backoff = None;
    }

    /// Backs off for 1, 2, 4, 8, 16, then 30 s, or for as long as the service asks.
    pub(super) fn record_failure(&mut self, error: &TokenError, local: Timestamp) {
        let failures = self.backoff.as_ref().map_or(0, |backoff| backoff.failures);
        let pause = MAX_BACKOFF.min(Duration::from_secs(1 << failures.min(6)));
        let retry_after = error
            .api()
            .and_then(crate::ApiError::retry_after)
            .unwrap_or_default();
        self.backoff = Some(Backoff {
            until: local
                .checked_add(pause.max(retry_after.min(MAX_RETRY_AFTER)))
                .unwrap_or(local),
            error: error.clone(),
            failures: failures.saturating_add(1),
        });
    }
}
