//! The cache of the issuer's keys.
//!
//! 1. A background task fetches the JWKS when the verifier is built, then again when the issuer's
//!    `max-age` has passed: not before the cool-down, not later than the setting `keys_max_age`.
//!    After a failure it retries after the cool-down, or after 5 s while there are no keys at all.
//! 2. A token with an unknown `kid` causes an extra fetch. There is one fetch at a time, which all
//!    such tokens share, and none within the cool-down after the last one began. So any number of
//!    tokens with made-up `kid`s causes at most one request per cool-down.
//! 3. A fetched set replaces the cached one as a whole. If the fetch fails, or the document is not
//!    a JWKS or has no usable key, the cached set stays in use.
//! 4. A set that the issuer has not confirmed for longer than `keys_max_stale` is not used any
//!    more.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::{Fetch, FetchError, FetchRequest, Fetched, KeySet};

/// Longest JWKS that is read, in bytes.
pub const MAX_JWKS_LEN: usize = 64 * 1024;

/// The intervals of the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTimes {
    /// Upper limit of the issuer's `max-age`, and its default.
    pub(crate) max_age: Duration,
    /// Shortest time between two fetches for unknown `kid`s; also the wait after a failed fetch.
    pub(crate) cool_down: Duration,
    /// Wait between two fetches while there are no keys.
    pub(crate) retry: Duration,
    /// Longest time for which keys are used after the issuer last confirmed them.
    pub(crate) max_stale: Duration,
    /// Deadline of one fetch.
    pub(crate) timeout: Duration,
}

pub(crate) struct KeyCache {
    fetch: Arc<dyn Fetch>,
    url: String,
    times: KeyTimes,
    cached: RwLock<Option<CachedKeys>>,
    state: Mutex<RefreshState>,
}

#[derive(Clone)]
struct CachedKeys {
    keys: Arc<KeySet>,
    confirmed: Instant,
}

/// The state of the single fetch. Locked while a fetch is running.
#[derive(Default)]
struct RefreshState {
    last_attempt: Option<Instant>,
    failed: bool,
    etag: Option<String>,
    max_age: Option<Duration>,
}

impl KeyCache {
    pub(crate) fn new(fetch: Arc<dyn Fetch>, url: String, times: KeyTimes) -> Self {
        Self {
            fetch,
            url,
            times,
            cached: RwLock::new(None),
            state: Mutex::new(RefreshState::default()),
        }
    }

    /// Returns the keys, unless there are none or they are too old. Step 4.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let cached = self.cached()?;
        (cached.confirmed.elapsed() <= self.times.max_stale).then_some(cached.keys)
    }

    /// Returns how long ago the issuer last confirmed the keys.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.cached().map(|cached| cached.confirmed.elapsed())
    }

    /// Fetches the keys unless the last fetch began within the cool-down. Waits for a fetch that is
    /// already running instead of starting another. Step 2.
    pub(crate) async fn refresh_unless_cooling_down(self: &Arc<Self>) {
        if self.state.try_lock().is_ok_and(|state| self.in_cool_down(&state)) {
            return;
        }
        // Fetch in a separate task: if a request is cancelled, its fetch must continue. Otherwise
        // an attacker could cancel each fetch that the cool-down permits.
        let this = Arc::clone(self);
        let fetch = tokio::spawn(async move {
            let mut state = this.state.lock().await;
            if !this.in_cool_down(&state) {
                this.refresh_locked(&mut state).await.ok();
            }
        });
        fetch.await.ok();
    }

    /// Fetches the keys now, regardless of the cool-down.
    pub(crate) async fn refresh(&self) -> Result<(), FetchError> {
        let mut state = self.state.lock().await;
        self.refresh_locked(&mut state).await
    }

    /// Returns how long the background task waits before the next fetch. Step 1.
    pub(crate) async fn time_to_next_refresh(&self) -> Duration {
        let state = self.state.lock().await;
        let age = self.age();
        if let Some(age) = age {
            gauge!("tm_auth_verifier_keys_age_seconds").set(age.as_secs_f64());
        }
        match (age, state.failed) {
            (None, _) => self.times.retry,
            (Some(_), true) => self.times.cool_down,
            (Some(_), false) => self.max_age(state.max_age),
        }
    }

    fn max_age(&self, advertised: Option<Duration>) -> Duration {
        let max = self.times.max_age;
        advertised.map_or(max, |advertised| advertised.max(self.times.cool_down).min(max))
    }

    fn in_cool_down(&self, state: &RefreshState) -> bool {
        state
            .last_attempt
            .is_some_and(|at| at.elapsed() < self.times.cool_down)
    }

    /// Fetches the keys, and logs and counts the outcome.
    async fn refresh_locked(&self, state: &mut RefreshState) -> Result<(), FetchError> {
        // Set both before the first await, so that a cancelled fetch counts as a failed one.
        state.last_attempt = Some(Instant::now());
        state.failed = true;
        let result = self.fetch_keys(state).await;
        state.failed = result.is_err();
        let outcome = if let Err(error) = &result {
            tracing::warn!(url = self.url, %error, "cannot refresh the issuer's keys");
            "failed"
        } else {
            "ok"
        };
        counter!("tm_auth_verifier_fetches_total", "document" => "jwks", "outcome" => outcome).increment(1);
        result
    }

    /// Step 3.
    async fn fetch_keys(&self, state: &mut RefreshState) -> Result<(), FetchError> {
        let request = FetchRequest {
            url: &self.url,
            etag: state.etag.as_deref(),
            max_len: MAX_JWKS_LEN,
        };
        let fetched = timeout(self.times.timeout, self.fetch.fetch(request))
            .await
            .map_err(|_| FetchError::Timeout)??;
        let keys = match fetched {
            Fetched::NotModified { max_age } => {
                state.max_age = max_age;
                self.cached().ok_or(FetchError::UnexpectedNotModified)?.keys
            }
            Fetched::Document { body, etag, max_age } => {
                let keys = KeySet::from_json(&body)?;
                if keys.is_empty() {
                    return Err(FetchError::NoUsableKey);
                }
                (state.etag, state.max_age) = (etag, max_age);
                gauge!("tm_auth_verifier_keys").set(u32::try_from(keys.len()).unwrap_or(u32::MAX));
                Arc::new(keys)
            }
        };
        let confirmed = Instant::now();
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(CachedKeys { keys, confirmed });
        Ok(())
    }

    fn cached(&self) -> Option<CachedKeys> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
