//! What the tasks of a bot share, under one lock that is never held across a wait.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::token_pair::{Freshness, Held};
use super::{AccessToken, TokenError};

/// The longest rest after a failed flight, unless the service asks for more.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// No `Retry-After` silences a source for longer: proxies have been seen to answer hours.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

pub(super) type Outcome = Option<Result<AccessToken, TokenError>>;
pub(super) type Waiting = watch::Receiver<Outcome>;
type Landing = watch::Sender<Outcome>;

#[derive(Default)]
pub(super) struct State {
    pub(super) held: Option<Held>,
    /// The flight under way; closed without an outcome where its runtime went away.
    pub(super) flight: Option<Waiting>,
    /// The server's clock less the local one, once it mattered.
    pub(super) skew: SignedDuration,
    pub(super) key_expires_at: Option<Timestamp>,
    /// The end of the key was logged.
    pub(super) warned_of_key_end: bool,
    rest: Option<Rest>,
}

/// The time after a failed flight.
struct Rest {
    until: Timestamp,
    error: TokenError,
    /// Failed flights in a row.
    failures: u32,
}

/// What a caller gets.
pub(super) enum Look {
    /// This token.
    Token(AccessToken),
    /// This token, and a flight is due.
    Stale(AccessToken),
    /// The last flight's error: it is too early for another.
    Resting(TokenError),
    /// The outcome of a flight.
    Nothing,
}

impl State {
    /// The server's clock, as far as it is known.
    pub(super) fn server_clock(&self, local: Timestamp) -> Timestamp {
        local.checked_add(self.skew).unwrap_or(local)
    }

    pub(super) fn look(&self, local: Timestamp) -> Look {
        let now = self.server_clock(local);
        // A clock that was set back would make a rest last; none is longer than it could have been ordered.
        let resting = self.rest.as_ref().filter(|rest| {
            let left = rest.until.duration_since(local);
            left.is_positive() && left.unsigned_abs() <= LONGEST_RETRY_AFTER
        });
        match (&self.held, resting) {
            (Some(held), resting) if held.freshness(now) != Freshness::Useless => {
                let token = held.access.clone();
                if held.freshness(now) == Freshness::Stale && resting.is_none() {
                    Look::Stale(token)
                } else {
                    Look::Token(token)
                }
            }
            (_, Some(rest)) if self.flight.is_none() => Look::Resting(rest.error.clone()),
            _ => Look::Nothing,
        }
    }

    /// The flight under way.
    pub(super) fn flight(&self) -> Option<Waiting> {
        // A receiver whose sender is gone belongs to a flight that will never land.
        self.flight
            .as_ref()
            .filter(|waiting| waiting.has_changed().is_ok())
            .cloned()
    }

    /// A seat on the flight under way, or both ends of a new one.
    pub(super) fn board(&mut self) -> Result<Waiting, (Landing, Waiting)> {
        if let Some(waiting) = self.flight() {
            return Ok(waiting);
        }
        let (landing, waiting) = watch::channel(None);
        self.flight = Some(waiting.clone());
        Err((landing, waiting))
    }

    pub(super) fn invalidate(&mut self, token: &AccessToken) {
        if let Some(held) = &mut self.held
            && held.access == *token
        {
            held.reject();
        }
    }

    pub(super) fn succeed(&mut self, held: Held) {
        self.held = Some(held);
        self.rest = None;
    }

    /// Rests for 1, 2, 4 … 30 s, or for as long as the service asked.
    pub(super) fn fail(&mut self, error: &TokenError, local: Timestamp) {
        let failures = self.rest.as_ref().map_or(0, |rest| rest.failures);
        let rest = LONGEST_REST.min(Duration::from_secs(1 << failures.min(6)));
        let asked = error
            .api()
            .and_then(crate::ApiError::retry_after)
            .unwrap_or_default();
        self.rest = Some(Rest {
            until: local
                .checked_add(rest.max(asked.min(LONGEST_RETRY_AFTER)))
                .unwrap_or(local),
            error: error.clone(),
            failures: failures.saturating_add(1),
        });
    }
}
