//! One token source for all tasks of a bot.
//!
//! 1. *Look up*: [`TokenSource::access_token`] returns the cached token at once if it is not due
//!    for a refresh.
//! 2. *Refresh ahead*: about five minutes before the token expires, the first caller that notices
//!    starts a renewal in the background. All callers still get the old token, so none waits.
//! 3. *Single flight*: without a usable token, a caller joins the running renewal or starts one,
//!    and waits for its outcome. The renewal is a task of its own, so cancelling a caller does not
//!    cancel it.
//! 4. *Renew*: a renewal refreshes or mints, and handles each error as the table [`next_step`]
//!    says. It sends at most [`MAX_REQUESTS`] requests.
//! 5. *Back off*: a failed renewal is followed by a pause of 1 s, then longer, up to 30 s, or as
//!    long as the service asks for, up to five minutes. Meanwhile callers get the cached token if
//!    it is still valid, else the error, without a request. So a bot that calls in a tight loop
//!    does not flood the service.

mod next_step;
mod renewal;
mod single_flight;
mod state;
mod token_pair;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use tm_auth_proto::{KeyFile, KeyId};

use crate::{ApiError, AuthApi, Runtime, Signer, SignerError, SystemRuntime};
pub use renewal::MAX_REQUESTS;
use single_flight::{Joined, Waiter};
use state::{Lookup, State};

/// Provides access tokens to all tasks of a bot: mints, refreshes, and mints again if a session
/// ends. Clones share one source.
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
    /// Creates a source for the API key `key_id`, whose key pair is `signer`. Sends no request yet.
    pub fn new(api: AuthApi, key_id: KeyId, signer: Signer) -> Self {
        Self::with_runtime(api, key_id, signer, Arc::new(SystemRuntime))
    }

    /// Creates a source for the key of a key file, as [`key_file::load`](crate::key_file::load)
    /// reads it.
    pub fn from_key_file(api: AuthApi, file: &KeyFile) -> Result<Self, TokenError> {
        let key_id = file.key_id.ok_or(TokenError::NotRegistered)?;
        Ok(Self::new(api, key_id, Signer::from_key_file(file)?))
    }

    /// Like [`TokenSource::new`], with time, randomness and waiting from `runtime`.
    pub fn with_runtime(api: AuthApi, key_id: KeyId, signer: Signer, runtime: Arc<dyn Runtime>) -> Self {
        Self(Arc::new(Inner {
            api,
            key_id,
            signer,
            runtime,
            state: Mutex::default(),
        }))
    }

    /// Returns an access token that is valid now. Call it before every request instead of storing
    /// the token.
    ///
    /// Usually returns at once. Must be called inside a tokio runtime. Is cancel safe.
    pub async fn access_token(&self) -> Result<AccessToken, TokenError> {
        // A renewal ends without an outcome only if its runtime was shut down. The second attempt
        // runs on the runtime of this caller.
        for _ in 0..2 {
            // In a statement of its own, so that the lock is released before `join` takes it.
            let lookup = self.0.state().lookup(self.0.runtime.now());
            let waiter = match lookup {
                Lookup::Fresh(token) => return Ok(token),
                Lookup::RefreshDue(token) => {
                    self.0.join();
                    return Ok(token);
                }
                Lookup::BackingOff(error) => return Err(error),
                Lookup::Missing => self.0.join(),
            };
            if let Some(outcome) = waiter.outcome().await {
                return outcome;
            }
        }
        Err(TokenError::Interrupted)
    }

    /// Reports that a resource server responded 401 to `token`. If it is still the cached token, it
    /// is not handed out again, and the next call refreshes. If it was replaced meanwhile, nothing
    /// happens.
    pub fn invalidate(&self, token: &AccessToken) {
        self.0.state().invalidate(token);
    }

    /// Returns when the API key itself expires, as of the last mint or refresh. `None` if it does
    /// not expire, or before the first response.
    pub fn key_expires_at(&self) -> Option<Timestamp> {
        self.0.state().key_expires_at
    }

    /// Waits until no request of this source is running. For a clean shutdown, and for tests.
    pub async fn idle(&self) {
        let waiter = self.0.state().flight.running();
        if let Some(waiter) = waiter {
            waiter.outcome().await;
        }
    }

    /// Ends the session at the service and discards its tokens. A later call mints again.
    pub async fn end_session(&self) -> Result<(), TokenError> {
        self.idle().await;
        let tokens = self.0.state().tokens.take();
        match tokens.and_then(|tokens| tokens.refresh_token) {
            Some(refresh_token) => Ok(self.0.api.revoke(&refresh_token).await?),
            None => Ok(()),
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change under the lock is complete before anything can panic, so the state stays
        // valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Step 3: joins the running renewal, or starts one.
    fn join(self: &Arc<Self>) -> Waiter {
        let joined = self.state().flight.join();
        let (publisher, waiter) = match joined {
            Joined::Running(waiter) => return waiter,
            Joined::Started(publisher, waiter) => (publisher, waiter),
        };
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = renewal::run(&inner).await;
            inner.state().flight.finish();
            publisher.publish(outcome);
        });
        waiter
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
    /// Returns the JWT.
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// Returns the value of `Authorization`, marked as sensitive so that HTTP libraries do not log
    /// it.
    pub fn authorization(&self) -> HeaderValue {
        // A JWT is always a valid header value. Anything else would be refused, so send no token
        // then.
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.token))
            .unwrap_or(HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }

    /// Returns when the token expires, by the service's clock.
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

/// Why there is no access token.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The request failed; [`ApiError`] says whose fault it is. All callers of one renewal share
    /// the error.
    #[error(transparent)]
    Api(Arc<ApiError>),
    /// The fault of this deployment: the key file has no `key_id`, so its key was never registered.
    #[error("the key is not registered yet: the key file has no `key_id`")]
    NotRegistered,
    /// The fault of this deployment: the key cannot sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The fault of this program: it shut the tokio runtime down while the request was running.
    #[error("the request was interrupted: its tokio runtime was shut down")]
    Interrupted,
}

impl From<ApiError> for TokenError {
    fn from(error: ApiError) -> Self {
        Self::Api(Arc::new(error))
    }
}

impl TokenError {
    /// Returns the error of the request, if a request failed.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            Self::NotRegistered | Self::Signer(_) | Self::Interrupted => None,
        }
    }
}
