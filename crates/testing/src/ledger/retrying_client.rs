//! Asks as a real client does, and notes each try in a history.
//!
//! Every request goes to the next node. Where there is no answer, or "cannot now", it is asked again after a pause:
//! the same refresh token, or a challenge signed anew. The pauses are shorter than a polite client's, and
//! `Retry-After` is not waited for, so that the time without service is the service's and not the clients'.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{Timestamp, TimestampRound, Unit};
use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::{ApiKeyTokenRequest, SessionId, TokenResponse};

use super::counts::Counts;
use crate::bot::{self, Bot, Owner, claims, generation};
use crate::history::{Answer, Call, Operation, Recorder};

const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// Below the 90 s in which a parent gets the same successor: later, the history's one instant would not be true.
const PATIENCE: Duration = Duration::from_secs(75);

/// A client of several nodes that behave as one.
pub struct Caller {
    nodes: Vec<AuthApi>,
    turn: AtomicUsize,
    recorder: Recorder,
    /// The one instant of the history, see [`crate::history`].
    now: Timestamp,
    counts: Mutex<Counts>,
}

/// A session's newest refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The session.
    pub session: SessionId,
    /// The token's counter.
    pub counter: i64,
    /// The token.
    pub refresh_token: String,
}

impl Held {
    fn of(tokens: &TokenResponse) -> Self {
        Self {
            session: claims(tokens).sid,
            counter: generation(tokens),
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

impl Caller {
    /// Of the nodes at these base URLs, or of the one proxy before them.
    pub fn new(base_urls: &[String]) -> Self {
        let nodes = base_urls.iter().map(|url| AuthApi::new(url).expect("a base URL"));
        let to_ms = TimestampRound::new().smallest(Unit::Millisecond);
        Self {
            nodes: nodes.collect(),
            turn: AtomicUsize::new(0),
            recorder: Recorder::default(),
            now: bot::now().round(to_ms).expect("a time of this century"),
            counts: Mutex::new(Counts::start()),
        }
    }

    /// Each node.
    pub fn nodes(&self) -> &[AuthApi] {
        &self.nodes
    }

    /// What was noted so far.
    pub fn history(&self) -> Vec<Operation> {
        self.recorder.operations()
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session. Also gives the challenge that was accepted.
    pub async fn mint(&self, bot: &Bot) -> Result<(Held, ApiKeyTokenRequest), ApiError> {
        let call = Call::Mint { key: bot.key_id };
        self.until_answered(
            Some(call),
            |api| {
                let challenge = bot.challenge();
                async move { Ok((Held::of(&api.mint(&challenge).await?), challenge)) }
            },
            |(held, _)| held.answer(),
        )
        .await
    }

    /// Presents a refresh token until it is answered.
    pub async fn refresh(&self, held: &Held) -> Result<Held, ApiError> {
        let call = Call::Refresh {
            session: held.session,
            counter: held.counter,
        };
        let ask = |api: AuthApi| async move { Ok(Held::of(&api.refresh(&held.refresh_token).await?)) };
        self.until_answered(Some(call), ask, Held::answer).await
    }

    /// Ends a session.
    pub async fn end_session(&self, held: &Held) -> Result<(), ApiError> {
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

    /// Makes a key. Where the answer is lost, a new pair is made: the one before is nobody's.
    pub async fn register(&self, owner: &Owner) -> Result<Bot, ApiError> {
        let ask = |api: AuthApi| async move { owner.register(&api).await };
        self.until_answered(None, ask, |_| Answer::Done).await
    }

    async fn until_answered<T, F>(
        &self,
        call: Option<Call>,
        ask: impl Fn(AuthApi) -> F,
        answer: impl Fn(&T) -> Answer,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let (first, mut pause) = (Instant::now(), PAUSE);
        loop {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let node = self.nodes[turn % self.nodes.len()].clone();
            let pending = call.map(|call| self.recorder.begin(self.now, call));
            let outcome = ask(node).await;
            let told = match &outcome {
                Ok(value) => Told::Decided(answer(value)),
                Err(error) => self.judge(error),
            };
            let decided = matches!(told, Told::Decided(_));
            if let Some(pending) = pending {
                match told {
                    Told::Decided(answer) => pending.end(answer),
                    Told::Nothing => pending.forget(),
                    Told::Unknown => pending.end(Answer::Unknown),
                }
            }
            if decided {
                self.counts().answered();
                return outcome;
            }
            assert!(
                first.elapsed() < PATIENCE,
                "no answer within {PATIENCE:?}: an outage of this length is not what this run can judge"
            );
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn judge(&self, error: &ApiError) -> Told {
        let mut counts = self.counts();
        match (error, error.status(), error.code()) {
            (ApiError::Unreachable { source, .. }, ..) if source.is_connect() => {
                counts.unsent += 1;
                Told::Nothing
            }
            (_, Some(429), _) => {
                counts.limited += 1;
                Told::Nothing
            }
            (_, Some(500..), _) => {
                counts.unavailable += 1;
                Told::Unknown
            }
            (_, Some(_), Some(code)) if !code.retryable() => Told::Decided(Answer::Refused(code)),
            _ => {
                counts.lost += 1;
                Told::Unknown
            }
        }
    }
}

/// What an attempt told.
enum Told {
    Decided(Answer),
    /// Nothing was decided, for certain.
    Nothing,
    Unknown,
}
