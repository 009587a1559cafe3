//! One renewal: refreshes or mints, on behalf of all callers that joined it. Step 4 of the
//! [token source](super).
//!
//! 1. [`send`](Renewal::send): refresh if there is a refresh token, else mint.
//! 2. On success, [`finish`](Renewal::finish) stores the tokens.
//! 3. On an error, do what [`next_step`] says, and go back to 1 unless it says to give up.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::TokenResponse;
use zeroize::Zeroizing;

use super::next_step::{NextStep, Operation, next_step};
use super::token_pair::TokenPair;
use super::{AccessToken, Inner, TokenError};
use crate::ApiError;
use crate::api::Response;

/// The most requests that one renewal sends: the first, three retries, one change from refresh to
/// mint, one signature with a corrected clock, one signature after `replayed`.
pub const MAX_REQUESTS: usize = 4 + 1 + 1 + 1;

/// How often a request is repeated if the network or the service failed.
const MAX_RETRIES: u32 = 3;
/// The longest wait inside a renewal. If the service asks for a longer one, the renewal fails, and
/// a later one asks again.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The shortest wait after `replayed`, and the wait if the response has no `Retry-After`.
const MIN_REPLAY_WAIT: Duration = Duration::from_secs(1);
/// A difference between the corrected clock and the `Date` of a success above this is an error of
/// the clock, not network delay or rounding.
const MAX_CLOCK_ERROR: SignedDuration = SignedDuration::from_secs(30);
/// How long before the API key expires a warning is logged.
const KEY_EXPIRY_WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Runs a renewal and records its outcome in the state.
pub(super) async fn run(inner: &Inner) -> Result<AccessToken, TokenError> {
    let refresh_token = inner
        .state()
        .tokens
        .as_ref()
        .and_then(|tokens| tokens.refresh_token.clone());
    let mut renewal = Renewal {
        inner,
        refresh_token,
        retries: 0,
        corrected_clock: false,
        signed_again: false,
    };
    let outcome = renewal.run().await;
    if let Err(error) = &outcome {
        tracing::warn!(%error, key_id = %inner.key_id, "cannot renew the access token");
        inner.state().record_failure(error, inner.runtime.now());
    }
    outcome
}

struct Renewal<'a> {
    inner: &'a Inner,
    /// The refresh token to exchange. If `None`, mint.
    refresh_token: Option<Zeroizing<String>>,
    retries: u32,
    corrected_clock: bool,
    signed_again: bool,
}

impl Renewal<'_> {
    async fn run(&mut self) -> Result<AccessToken, TokenError> {
        loop {
            let (operation, result) = self.send().await?;
            let error = match result {
                Ok(response) => return Ok(self.finish(operation, response)),
                Err(error) => error,
            };
            tracing::debug!(%error, ?operation, "request failed");
            let wait = match next_step(operation, &error) {
                NextStep::Retry => self.retry(&error),
                NextStep::RetryThenMint => self.retry(&error).or_else(|| self.mint_instead()),
                NextStep::Mint => self.mint_instead(),
                NextStep::CorrectClock => self.correct_clock(&error),
                NextStep::SignAgain => self.sign_again(&error),
                NextStep::GiveUp => None,
                NextStep::DiscardTokens => {
                    self.inner.state().tokens = None;
                    None
                }
            };
            match wait {
                Some(Duration::ZERO) => {}
                Some(wait) => self.inner.runtime.sleep(wait).await,
                None => return Err(error.into()),
            }
        }
    }

    async fn send(&self) -> Result<(Operation, Result<Response<TokenResponse>, ApiError>), TokenError> {
        let Inner {
            api, signer, key_id, ..
        } = self.inner;
        if let Some(refresh_token) = &self.refresh_token {
            return Ok((Operation::Refresh, api.refresh_response(refresh_token).await));
        }
        let request = signer.mint_request(*key_id, self.server_clock())?;
        Ok((Operation::Mint, api.mint_response(&request).await))
    }

    /// Returns how long to wait before the retry, or `None` if there is none left.
    fn retry(&mut self, error: &ApiError) -> Option<Duration> {
        if self.retries == MAX_RETRIES {
            return None;
        }
        self.retries += 1;
        // 0.25–0.5 s, 0.5–1 s, 1–2 s. The random part spreads the retries of bots that failed
        // together.
        let ceiling = Duration::from_millis(250) * (1 << self.retries);
        let random = u32::try_from(self.inner.runtime.random() % 501).unwrap_or(0);
        let backoff = ceiling * (500 + random) / 1000;
        unless_too_long(backoff.max(error.retry_after().unwrap_or_default()))
    }

    /// Gives the session up and mints, unless this renewal already mints.
    fn mint_instead(&mut self) -> Option<Duration> {
        self.refresh_token.take()?;
        if let Some(tokens) = &mut self.inner.state().tokens {
            tokens.refresh_token = None;
        }
        Some(Duration::ZERO)
    }

    /// At most once per renewal: if the timestamp is still out of range, the clock is not the
    /// reason.
    fn correct_clock(&mut self, error: &ApiError) -> Option<Duration> {
        let ApiError::Server(error) = error else {
            return None;
        };
        let server_time = error.server_time?;
        if std::mem::replace(&mut self.corrected_clock, true) {
            return None;
        }
        self.set_skew(server_time);
        Some(Duration::ZERO)
    }

    /// At most once per renewal.
    fn sign_again(&mut self, error: &ApiError) -> Option<Duration> {
        if std::mem::replace(&mut self.signed_again, true) {
            return None;
        }
        unless_too_long(error.retry_after().unwrap_or_default().max(MIN_REPLAY_WAIT))
    }

    fn finish(&self, operation: Operation, response: Response<TokenResponse>) -> AccessToken {
        // If the local clock was set after the skew was measured, the skew is wrong. Then new
        // tokens would look old, or old ones new.
        if let Some(server_time) = response.server_time
            && server_time.duration_since(self.server_clock()).abs() > MAX_CLOCK_ERROR
        {
            self.set_skew(server_time);
        }
        let now = self.server_clock();
        let key_expires_at = response.body.key_expires_at;
        let tokens = TokenPair::new(response.body, now, self.inner.runtime.random());
        let token = tokens.access_token.clone();
        let mut state = self.inner.state();
        state.record_success(tokens);
        state.key_expires_at = key_expires_at;
        tracing::debug!(?operation, expires_at = %token.expires_at(), "new access token");
        if let Some(key_expires_at) = key_expires_at
            && key_expires_at.duration_since(now) < KEY_EXPIRY_WARNING
            && !std::mem::replace(&mut state.warned_of_key_expiry, true)
        {
            tracing::warn!(
                key_id = %self.inner.key_id, %key_expires_at,
                "the API key expires soon: register its successor"
            );
        }
        token
    }

    fn set_skew(&self, server_time: Timestamp) {
        let skew = server_time.duration_since(self.inner.runtime.now());
        self.inner.state().skew = skew;
        tracing::warn!(
            seconds = skew.as_secs(),
            "the local clock differs from the service's; correcting for it"
        );
    }

    fn server_clock(&self) -> Timestamp {
        let local = self.inner.runtime.now();
        self.inner.state().server_clock(local)
    }
}

/// Callers do not wait longer than [`MAX_WAIT`].
fn unless_too_long(wait: Duration) -> Option<Duration> {
    (wait <= MAX_WAIT).then_some(wait)
}
