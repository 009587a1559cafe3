//! The issuer's keys, kept fresh.
//!
//! 1. A background task gets the JWKS at once, then whenever its `max-age` (at most a set time) is over.
//! 2. A token with an unknown `kid` may get it out of turn: one fetch at a time, and none within the
//!    cool-down after the last one, so that tokens with made-up names cost the issuer nothing.
//! 3. A set is replaced whole or not at all. One that cannot be had, is none, or holds no usable key leaves
//!    the one before in use, until that one is too old to be trusted.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::{Fetch, FetchError, FetchRequest, Fetched, KeySet};

/// Longest JWKS that is read, in bytes.
pub const MAX_JWKS_LEN: usize = 64 * 1024;

/// Intervals of the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyTimes {
    /// A copy is renewed after this long, or sooner where the issuer says so.
    pub(crate) max_age: Duration,
    /// Least time between two fetches while a set is in use.
    pub(crate) cool_down: Duration,
    /// Time between two fetches while there is none.
    pub(crate) retry: Duration,
    /// A copy that was not confirmed for this long is no longer used.
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

/// What only the one fetch at a time reads and writes.
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

    /// The keys, unless there are none or they were not confirmed for too long.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let cached = self.cached()?;
        (cached.confirmed.elapsed() <= self.times.max_stale).then_some(cached.keys)
    }

    /// How long ago the issuer last confirmed the keys.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.cached().map(|cached| cached.confirmed.elapsed())
    }

    /// Gets the set unless that was tried within the cool-down; waits for a fetch that is under way.
    pub(crate) async fn refresh_unless_cooling_down(self: &Arc<Self>) {
        if self.state.try_lock().is_ok_and(|state| self.in_cool_down(&state)) {
            return;
        }
        // In a task of its own: the request that asked may be given up by its sender, who could otherwise
        // break off each fetch as soon as the cool-down lets one begin.
        let this = Arc::clone(self);
        let fetch = tokio::spawn(async move {
            let mut state = this.state.lock().await;
            if !this.in_cool_down(&state) {
                this.refresh_locked(&mut state).await.ok();
            }
        });
        fetch.await.ok();
    }

    /// Gets the set now, cool-down or not.
    pub(crate) async fn refresh(&self) -> Result<(), FetchError> {
        let mut state = self.state.lock().await;
        self.refresh_locked(&mut state).await
    }

    /// How long the background task waits before it gets the set again.
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

    async fn refresh_locked(&self, state: &mut RefreshState) -> Result<(), FetchError> {
        // Before the first wait: a fetch that is broken off counts too.
        state.last_attempt = Some(Instant::now());
        state.failed = true;
        let result = self.fetch_keys(state).await;
        state.failed = result.is_err();
        let outcome = if let Err(error) = &result {
            tracing::warn!(url = self.url, %error, "the issuer's keys could not be renewed");
            "failed"
        } else {
            "ok"
        };
        counter!("tm_auth_verifier_fetches_total", "document" => "jwks", "outcome" => outcome).increment(1);
        result
    }

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
