//! One token source for all tasks of a bot.
//!
//! 1. [`TokenSource::access_token`] looks at what is held. A token that is far from its end is handed out at
//!    once, without a request and without waiting.
//! 2. About five minutes before its end, the first caller to notice starts a *flight*: a task of its own that
//!    refreshes. Everybody is still given the old token, so nobody waits.
//! 3. Without a usable token, callers wait for the flight; any number of them share one. The flight is no
//!    caller's: one that is cancelled takes nothing with it.
//! 4. What a flight does about each refusal is [`next_step`]'s table. It sends at most [`MAX_REQUESTS`]
//!    requests, then reports to all that wait.
//! 5. After a failed flight the source rests (1 s, then longer, at most 30 s, or as long as the service
//!    asked for). Meanwhile a token that is still valid is handed out, else the flight's error, without a
//!    request: a bot that calls in a tight loop is no flood.

mod next_step;
mod renewal;
mod state;
mod token_pair;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tm_auth_proto::{KeyFile, KeyId};

use crate::{ApiError, AuthApi, Runtime, Signer, SignerError, SystemRuntime};
pub use renewal::MAX_REQUESTS;
use state::{Look, State, Waiting};

/// Gives access tokens to all tasks of a bot: mints, refreshes and mints again. Clones are the same source.
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    api: AuthApi,
    key_id: KeyId,
    signer: Signer,
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
}

impl TokenSource {
    /// A source for the key `key_id`, whose pair is `signer`. Sends nothing yet.
    pub fn new(api: AuthApi, key_id: KeyId, signer: Signer) -> Self {
        Self::with_runtime(api, key_id, signer, Arc::new(SystemRuntime))
    }

    /// A source for the key of a key file, as [`key_file::load`](crate::key_file::load) reads it.
    pub fn from_key_file(api: AuthApi, file: &KeyFile) -> Result<Self, TokenError> {
        let key_id = file.key_id.ok_or(TokenError::NotRegistered)?;
        Ok(Self::new(api, key_id, Signer::from_key_file(file)?))
    }

    /// As [`TokenSource::new`], with time, chance and waiting from `runtime`.
    pub fn with_runtime(api: AuthApi, key_id: KeyId, signer: Signer, runtime: Arc<dyn Runtime>) -> Self {
        Self(Arc::new(Inner {
            api,
            key_id,
            signer,
            runtime,
            state: Mutex::default(),
        }))
    }

    /// An access token that is valid now. Call it before every request, and do not keep the result.
    ///
    /// Usually answers at once. Has to be called within a tokio runtime. May be cancelled at any time.
    pub async fn access_token(&self) -> Result<AccessToken, TokenError> {
        // A flight ends without a word only where the runtime it ran on was shut down under it; the next one
        // runs on this caller's.
        for _ in 0..2 {
            // A statement of its own: the lock is free again when a flight is boarded.
            let look = self.0.state().look(self.0.runtime.now());
            let waiting = match look {
                Look::Token(token) => return Ok(token),
                Look::Stale(token) => {
                    self.0.join_or_start();
                    return Ok(token);
                }
                Look::Resting(error) => return Err(error),
                Look::Nothing => self.0.join_or_start(),
            };
            if let Some(landed) = landed(waiting).await {
                return landed;
            }
        }
        Err(TokenError::Interrupted)
    }

    /// Tells the source that a resource server answered 401 to `token`. If it is still the newest, it is not
    /// handed out again and the next call refreshes; if it was replaced meanwhile, nothing happens.
    pub fn invalidate(&self, token: &AccessToken) {
        self.0.state().invalidate(token);
    }

    /// When the API key itself ends, as of the last answer. `None` where it does not, or before the first.
    pub fn key_expires_at(&self) -> Option<Timestamp> {
        self.0.state().key_expires_at
    }

    /// Returns when no request of this source is under way. For an orderly end, and for tests.
    pub async fn idle(&self) {
        let waiting = self.0.state().flight();
        if let Some(waiting) = waiting {
            landed(waiting).await;
        }
    }

    /// Ends the session at the service and forgets its tokens. A later call mints anew.
    pub async fn end_session(&self) -> Result<(), TokenError> {
        self.idle().await;
        let held = self.0.state().held.take();
        match held.and_then(|held| held.refresh_token) {
            Some(refresh_token) => Ok(self.0.api.revoke(&refresh_token).await?),
            None => Ok(()),
        }
    }
}

/// Waits for a flight; `None` where it ended without an outcome.
async fn landed(mut waiting: Waiting) -> Option<Result<AccessToken, TokenError>> {
    let outcome = waiting.wait_for(Option::is_some).await.ok()?;
    outcome.clone()
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock is ever half done, so a panic elsewhere leaves a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flight under way, or a new one.
    fn join_or_start(self: &Arc<Self>) -> Waiting {
        let (landing, waiting) = match self.state().board() {
            Ok(waiting) => return waiting,
            Err(new) => new,
        };
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = renewal::fly(&inner).await;
            // First no more flight, then the news: whoever reads the news may need another flight.
            inner.state().flight = None;
            landing.send_replace(Some(outcome));
        });
        waiting
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("key_id", &self.0.key_id)
            .finish_non_exhaustive()
    }
}

/// An access token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    token: Arc<str>,
    expires_at: Timestamp,
}

impl AccessToken {
    /// The JWT.
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// The value of `Authorization`, marked as sensitive so that HTTP libraries do not print it.
    pub fn authorization(&self) -> HeaderValue {
        // A JWT is three base64url parts and dots; whatever else the service gave is refused by it too.
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.token))
            .unwrap_or(HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }

    /// When it ends, by the server's clock.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The service refused, or cannot be reached. Shared by all callers of one flight.
    #[error(transparent)]
    Api(Arc<ApiError>),
    /// The key file has no `key_id`.
    #[error("the key is not registered yet: the key file has no `key_id`")]
    NotRegistered,
    /// The key does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The tokio runtime was shut down while the request was under way.
    #[error("the request was interrupted: the runtime it ran on was shut down")]
    Interrupted,
}

impl From<ApiError> for TokenError {
    fn from(error: ApiError) -> Self {
        Self::Api(Arc::new(error))
    }
}

impl TokenError {
    /// The refusal or network failure, where that was the reason.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            Self::NotRegistered | Self::Signer(_) | Self::Interrupted => None,
        }
    }
}
