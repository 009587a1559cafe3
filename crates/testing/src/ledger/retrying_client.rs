//! A client that retries like a real one and records each attempt in a history.
//!
//! Each attempt goes to the next node. Without a decisive answer (no answer, 429 or 5xx) the client
//! pauses and retries, with the same refresh token or a newly signed challenge. The pauses are
//! short and ignore `Retry-After`, so that they do not lengthen the measured outages.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{Timestamp, TimestampRound, Unit};
use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::{ApiKeyTokenRequest, SessionId, TokenResponse};

use super::counts::Counts;
use crate::bot::{self, Bot, Owner, claims, refresh_counter};
use crate::history::{Answer, Call, Operation, Recorder};

/// The first pause before a retry. Each pause is twice as long as the one before it.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// The deadline for a decisive answer. It is shorter than the reuse grace period of 90 s: a token
/// presented later would break the condition of a history with one instant; see [`crate::history`].
const DEADLINE: Duration = Duration::from_secs(75);

/// A client of several nodes that must behave like one node.
pub struct RetryingClient {
    nodes: Vec<AuthApi>,
    /// The number of attempts so far, which selects the node of the next one.
    attempts: AtomicUsize,
    recorder: Recorder,
    /// The one instant of the history; see [`crate::history`].
    now: Timestamp,
    counts: Mutex<Counts>,
}

/// The newest refresh token of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldToken {
    /// The session.
    pub session: SessionId,
    /// The token's counter.
    pub counter: i64,
    /// The token.
    pub refresh_token: String,
}

impl HeldToken {
    fn of(tokens: &TokenResponse) -> Self {
        Self {
            session: claims(tokens).sid,
            counter: refresh_counter(tokens),
            refresh_token: tokens.refresh_token.clone(),
        }
    }

    fn answer(&self) -> Answer {
        Answer::Issued {
            session: self.session,
            counter: self.counter,
            token: self.refresh_token.clone(),
        }
    }
}

impl RetryingClient {
    /// Creates a client of the nodes at these base URLs, or of their load balancer.
    pub fn new(base_urls: &[String]) -> Self {
        let nodes = base_urls
            .iter()
            .map(|url| AuthApi::new(url).expect("the base URL is valid"));
        let to_ms = TimestampRound::new().smallest(Unit::Millisecond);
        Self {
            nodes: nodes.collect(),
            attempts: AtomicUsize::new(0),
            recorder: Recorder::default(),
            now: bot::now().round(to_ms).expect("the time is in range"),
            counts: Mutex::new(Counts::start()),
        }
    }

    /// The nodes.
    pub fn nodes(&self) -> &[AuthApi] {
        &self.nodes
    }

    /// The history so far.
    pub fn history(&self) -> Vec<Operation> {
        self.recorder.operations()
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session. Also returns the accepted challenge.
    pub async fn mint(&self, bot: &Bot) -> Result<(HeldToken, ApiKeyTokenRequest), ApiError> {
        let call = Call::Mint { key: bot.key_id };
        self.until_answered(
            Some(call),
            |api| {
                let challenge = bot.challenge();
                async move { Ok((HeldToken::of(&api.mint(&challenge).await?), challenge)) }
            },
            |(held, _)| held.answer(),
        )
        .await
    }

    /// Presents a refresh token until it gets a decisive answer.
    pub async fn refresh(&self, held: &HeldToken) -> Result<HeldToken, ApiError> {
        let call = Call::Refresh {
            session: held.session,
            counter: held.counter,
        };
        let ask = |api: AuthApi| async move { Ok(HeldToken::of(&api.refresh(&held.refresh_token).await?)) };
        self.until_answered(Some(call), ask, HeldToken::answer).await
    }

    /// Ends a session.
    pub async fn end_session(&self, held: &HeldToken) -> Result<(), ApiError> {
        let call = Call::EndSession {
            session: held.session,
        };
        let ask = |api: AuthApi| async move { api.revoke(&held.refresh_token).await };
        self.until_answered(Some(call), ask, |()| Answer::Done).await
    }

    /// Revokes a key.
    pub async fn revoke_key(&self, owner: &Owner, bot: &Bot) -> Result<(), ApiError> {
        let key = bot.key_id;
        let ask = |api: AuthApi| {
            let token = (owner.management_token)();
            async move { api.revoke_api_key(&token, key).await }
        };
        self.until_answered(Some(Call::RevokeKey { key }), ask, |()| Answer::Done)
            .await
    }

    /// Creates and registers a key. A retry creates another key pair, so a key whose registration
    /// answer was lost stays unused.
    pub async fn register(&self, owner: &Owner) -> Result<Bot, ApiError> {
        let ask = |api: AuthApi| async move { owner.register(&api).await };
        self.until_answered(None, ask, |_| Answer::Done).await
    }

    /// Sends a request until it gets a decisive answer. Records each attempt if there is a `call`.
    async fn until_answered<T, F>(
        &self,
        call: Option<Call>,
        ask: impl Fn(AuthApi) -> F,
        answer: impl Fn(&T) -> Answer,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
            let node = self.nodes[attempt % self.nodes.len()].clone();
            let pending = call.map(|call| self.recorder.begin(self.now, call));
            let response = ask(node).await;
            let outcome = match &response {
                Ok(value) => Outcome::Decided(answer(value)),
                Err(error) => self.classify(error),
            };
            let decided = matches!(outcome, Outcome::Decided(_));
            if let Some(pending) = pending {
                match outcome {
                    Outcome::Decided(answer) => pending.end(answer),
                    Outcome::NoEffect => pending.forget(),
                    Outcome::Unknown => pending.end(Answer::Unknown),
                }
            }
            if decided {
                self.counts().answered();
                return response;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "no answer within {DEADLINE:?}: the history check cannot handle an outage of this length"
            );
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Classifies and counts a failed attempt.
    fn classify(&self, error: &ApiError) -> Outcome {
        let mut counts = self.counts();
        match (error, error.status(), error.code()) {
            (ApiError::Unreachable { source, .. }, ..) if source.is_connect() => {
                counts.unsent += 1;
                Outcome::NoEffect
            }
            (_, Some(429), _) => {
                counts.rate_limited += 1;
                Outcome::NoEffect
            }
            (_, Some(500..), _) => {
                counts.unavailable += 1;
                Outcome::Unknown
            }
            (_, Some(_), Some(code)) if !code.retryable() => Outcome::Decided(Answer::Refused(code)),
            _ => {
                counts.lost += 1;
                Outcome::Unknown
            }
        }
    }
}

/// The outcome of one attempt.
enum Outcome {
    /// A success or a permanent refusal.
    Decided(Answer),
    /// The request certainly had no effect.
    NoEffect,
    /// The request may have taken effect, or may still do so.
    Unknown,
}
