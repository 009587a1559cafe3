//! One attempt to get a token, on behalf of everybody who waits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::TokenResponse;
use zeroize::Zeroizing;

use super::next_step::{Asked, Verdict, verdict};
use super::token_pair::Held;
use super::{AccessToken, Inner, TokenError};
use crate::ApiError;
use crate::api::Answer;

/// The most requests that one call can cause: the first, three repetitions, one change from refresh to mint,
/// one signature with a corrected clock, one after `replayed`.
pub const MAX_REQUESTS: usize = 4 + 1 + 1 + 1;

/// Repetitions of a request that the network lost or the service could not serve.
const REPETITIONS: u32 = 3;
/// The longest wait within a flight. A service that asks for more is asked again by a later flight.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What `Retry-After` is for a signature that was used already.
const NEXT_SECOND: Duration = Duration::from_secs(1);
/// A difference to the `Date` of a success that is no network delay and no rounding.
const NOTABLE_SKEW: SignedDuration = SignedDuration::from_secs(30);
/// An owner hears this long before that the key ends.
const KEY_END_WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Gets a token, and leaves the state as it is to be afterwards.
pub(super) async fn fly(inner: &Inner) -> Result<AccessToken, TokenError> {
    let refresh_token = inner
        .state()
        .held
        .as_ref()
        .and_then(|held| held.refresh_token.clone());
    let mut flight = Flight {
        inner,
        refresh_token,
        repetitions: 0,
        corrected_clock: false,
        signed_anew: false,
    };
    let outcome = flight.run().await;
    if let Err(error) = &outcome {
        tracing::warn!(%error, key_id = %inner.key_id, "no new access token");
        inner.state().fail(error, inner.runtime.now());
    }
    outcome
}

struct Flight<'a> {
    inner: &'a Inner,
    /// What to exchange; without it, mint.
    refresh_token: Option<Zeroizing<String>>,
    repetitions: u32,
    corrected_clock: bool,
    signed_anew: bool,
}

impl Flight<'_> {
    async fn run(&mut self) -> Result<AccessToken, TokenError> {
        loop {
            let (asked, answer) = self.ask().await?;
            let error = match answer {
                Ok(answer) => return Ok(self.land(asked, answer)),
                Err(error) => error,
            };
            tracing::debug!(%error, ?asked, "refused");
            let wait = match verdict(asked, &error) {
                Verdict::Again => self.repeat(&error),
                Verdict::AgainOrMint => self.repeat(&error).or_else(|| self.mint_instead()),
                Verdict::Mint => self.mint_instead(),
                Verdict::CorrectClock => self.correct_clock(&error),
                Verdict::SignAnew => self.sign_anew(&error),
                Verdict::GiveUp => None,
                Verdict::Forget => {
                    self.inner.state().held = None;
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

    async fn ask(&self) -> Result<(Asked, Result<Answer<TokenResponse>, ApiError>), TokenError> {
        let Inner {
            api, signer, key_id, ..
        } = self.inner;
        if let Some(refresh_token) = &self.refresh_token {
            return Ok((Asked::Refresh, api.refresh_at(refresh_token).await));
        }
        let request = signer.mint_request(*key_id, self.server_clock())?;
        Ok((Asked::Mint, api.mint_at(&request).await))
    }

    /// How long to wait before asking the same again; `None` where it is enough.
    fn repeat(&mut self, error: &ApiError) -> Option<Duration> {
        if self.repetitions == REPETITIONS {
            return None;
        }
        self.repetitions += 1;
        // 0.25–0.5 s, 0.5–1 s, 1–2 s: chance keeps the bots apart that a failure brought together.
        let ceiling = Duration::from_millis(250) * (1 << self.repetitions);
        let chance = u32::try_from(self.inner.runtime.random() % 501).unwrap_or(0);
        let backoff = ceiling * (500 + chance) / 1000;
        within_a_flight(backoff.max(error.retry_after().unwrap_or_default()))
    }

    /// The session is given up, for good.
    fn mint_instead(&mut self) -> Option<Duration> {
        self.refresh_token.take()?;
        if let Some(held) = &mut self.inner.state().held {
            held.refresh_token = None;
        }
        Some(Duration::ZERO)
    }

    /// Once in a flight: a clock that is out of range after it was corrected is not the clock.
    fn correct_clock(&mut self, error: &ApiError) -> Option<Duration> {
        let ApiError::Refused(refusal) = error else {
            return None;
        };
        let server_time = refusal.server_time?;
        if std::mem::replace(&mut self.corrected_clock, true) {
            return None;
        }
        self.adopt(server_time);
        Some(Duration::ZERO)
    }

    fn sign_anew(&mut self, error: &ApiError) -> Option<Duration> {
        if std::mem::replace(&mut self.signed_anew, true) {
            return None;
        }
        within_a_flight(error.retry_after().unwrap_or(NEXT_SECOND).max(NEXT_SECOND))
    }

    fn land(&self, asked: Asked, answer: Answer<TokenResponse>) -> AccessToken {
        // A local clock that was set since it was measured makes a fresh token look old, or an old one fresh.
        if let Some(server_time) = answer.server_time
            && server_time.duration_since(self.server_clock()).abs() > NOTABLE_SKEW
        {
            self.adopt(server_time);
        }
        let now = self.server_clock();
        let key_end = answer.body.key_expires_at;
        let held = Held::new(answer.body, now, self.inner.runtime.random());
        let token = held.access.clone();
        let mut state = self.inner.state();
        state.succeed(held);
        state.key_expires_at = key_end;
        tracing::debug!(?asked, expires_at = %token.expires_at(), "new access token");
        if let Some(key_end) = key_end
            && key_end.duration_since(now) < KEY_END_WARNING
            && !std::mem::replace(&mut state.warned_of_key_end, true)
        {
            tracing::warn!(
                key_id = %self.inner.key_id, key_expires_at = %key_end,
                "the API key ends soon: register its successor"
            );
        }
        token
    }

    fn adopt(&self, server_time: Timestamp) {
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

/// Waits of more than [`LONGEST_WAIT`] are not for callers to sit through.
fn within_a_flight(wait: Duration) -> Option<Duration> {
    (wait <= LONGEST_WAIT).then_some(wait)
}
