//! The cache of the issuer's keys.
//!
//! 1. A background task fetches the JWKS when the verifier is built, and again each time the
//!    issuer's `max-age` has passed. It waits at least the cool-down, and at most the setting
//!    `keys_max_age`. After a failure it retries after the cool-down, or after 5 s while there are
//!    no keys at all.
//! 2. A token with an unknown `kid` causes an extra fetch, unless the last fetch began within the
//!    cool-down. There is one fetch at a time, for which all such tokens wait. So tokens with
//!    invented `kid`s cause at most one request per cool-down, however many they are.
//! 3. A fetched set replaces the cached one as a whole. If the fetch fails, or the document is not
//!    a JWKS or has no usable key, the cached set stays in use.
//! 4. A set that the issuer has not confirmed for `keys_max_stale` is not used any more.
//!
//! A cache without a verifier has no background task: [`KeyCache::keys_for`] fetches the keys when
//! their `max-age` has passed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::{Fetch, FetchError, FetchRequest, Fetched, KeySet};

/// The maximum length of a JWKS, in bytes.
pub const MAX_JWKS_LEN: usize = 64 * 1024;

/// The intervals of a [`KeyCache`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyTimes {
    /// Maximum age of the keys before they are fetched again. It limits the issuer's `max-age`, and
    /// replaces a missing one. 5 min by default.
    pub max_age: Duration,
    /// Minimum time between two fetches for unknown `kid`s. It is also the lower limit of the
    /// issuer's `max-age`, and the wait after a failed fetch. 30 s by default.
    pub cool_down: Duration,
    /// How long a verifier's background task waits between two fetches while there are no keys. 5 s
    /// by default.
    pub retry: Duration,
    /// How long keys are used after the issuer last confirmed them. 24 h by default.
    pub max_stale: Duration,
    /// Deadline of one fetch. 5 s by default.
    pub timeout: Duration,
}

impl Default for KeyTimes {
    fn default() -> Self {
        Self {
            max_age: Duration::from_mins(5),
            cool_down: Duration::from_secs(30),
            retry: Duration::from_secs(5),
            max_stale: Duration::from_hours(24),
            timeout: Duration::from_secs(5),
        }
    }
}

/// A cache of an issuer's keys.
///
/// A [`crate::Verifier`] has its own cache. Use this one with [`KeyCache::keys_for`] and
/// [`KeySet::verify_signature`] for tokens that are not access tokens.
pub struct KeyCache {
    fetch: Arc<dyn Fetch>,
    url: String,
    times: KeyTimes,
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    cached: RwLock<Option<CachedKeys>>,
    state: Mutex<RefreshState>,
}

#[derive(Clone)]
struct CachedKeys {
    keys: Arc<KeySet>,
    /// When the issuer last confirmed the keys. This and all other times here are values of
    /// [`KeyCache::elapsed`].
    confirmed: Duration,
    /// The `max-age` that the issuer sent, if any.
    max_age: Option<Duration>,
}

/// The state of the single fetch. Locked while a fetch is running.
#[derive(Default)]
struct RefreshState {
    /// When the last fetch began.
    last_attempt: Option<Duration>,
    /// Whether the last fetch failed.
    failed: bool,
    etag: Option<String>,
}

impl KeyCache {
    /// Returns a cache of the JWKS at `url`. Fetches nothing yet.
    ///
    /// `elapsed` returns the time since a fixed instant. If it goes backwards, the cache counts the
    /// difference as elapsed time, so a clock that is set back does not stop the fetches.
    pub fn new(
        fetch: Arc<dyn Fetch>,
        url: String,
        times: KeyTimes,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self {
            fetch,
            url,
            times,
            elapsed: Box::new(elapsed),
            cached: RwLock::new(None),
            state: Mutex::new(RefreshState::default()),
        }
    }

    /// Returns the keys for a token that names `kid`.
    ///
    /// Fetches them first if their `max-age` has passed, or if no key has this `kid`, but at most
    /// once per cool-down. Returns `None` if there are no keys, or if the issuer has not confirmed
    /// them within `max_stale`.
    pub async fn keys_for(self: &Arc<Self>, kid: &str) -> Option<Arc<KeySet>> {
        let is_fresh = |cached: CachedKeys| {
            self.since(cached.confirmed) < self.max_age(cached.max_age) && cached.keys.contains(kid)
        };
        if !self.cached().is_some_and(is_fresh) {
            self.refresh_unless_cooling_down().await;
        }
        self.current()
    }

    /// Step 4: returns the keys, unless there are none or they are too old.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let cached = self.cached()?;
        (self.since(cached.confirmed) < self.times.max_stale).then_some(cached.keys)
    }

    /// Returns how long ago the issuer last confirmed the keys. `None` if there are no keys.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.cached().map(|cached| self.since(cached.confirmed))
    }

    /// Step 2: fetches the keys unless the last fetch began within the cool-down. Waits for a fetch
    /// that is already running instead of starting another.
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

    /// Step 1: returns how long the background task waits before the next fetch.
    pub(crate) async fn time_to_next_refresh(&self) -> Duration {
        let state = self.state.lock().await;
        let Some(cached) = self.cached() else {
            return self.times.retry;
        };
        gauge!("tm_auth_verifier_keys_age_seconds").set(self.since(cached.confirmed).as_secs_f64());
        if state.failed {
            self.times.cool_down
        } else {
            self.max_age(cached.max_age)
        }
    }

    /// Limits the `max-age` that the issuer sent.
    fn max_age(&self, advertised: Option<Duration>) -> Duration {
        let max = self.times.max_age;
        advertised.map_or(max, |advertised| advertised.max(self.times.cool_down).min(max))
    }

    fn in_cool_down(&self, state: &RefreshState) -> bool {
        state
            .last_attempt
            .is_some_and(|at| self.since(at) < self.times.cool_down)
    }

    fn since(&self, at: Duration) -> Duration {
        (self.elapsed)().abs_diff(at)
    }

    /// Fetches the keys, and logs and counts the outcome.
    async fn refresh_locked(&self, state: &mut RefreshState) -> Result<(), FetchError> {
        // Set both before the first await, so that a cancelled fetch counts as a failed one.
        state.last_attempt = Some((self.elapsed)());
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

    /// Step 3: fetches the keys and replaces the cached set.
    async fn fetch_keys(&self, state: &mut RefreshState) -> Result<(), FetchError> {
        let request = FetchRequest {
            url: &self.url,
            etag: state.etag.as_deref(),
            max_len: MAX_JWKS_LEN,
        };
        let fetched = timeout(self.times.timeout, self.fetch.fetch(request))
            .await
            .map_err(|_| FetchError::Timeout)??;
        let (keys, max_age) = match fetched {
            Fetched::NotModified { max_age } => {
                let cached = self.cached().ok_or(FetchError::UnexpectedNotModified)?;
                (cached.keys, max_age)
            }
            Fetched::Document { body, etag, max_age } => {
                let keys = KeySet::from_json(&body)?;
                if keys.is_empty() {
                    return Err(FetchError::NoUsableKey);
                }
                state.etag = etag;
                gauge!("tm_auth_verifier_keys").set(u32::try_from(keys.len()).unwrap_or(u32::MAX));
                (Arc::new(keys), max_age)
            }
        };
        let confirmed = (self.elapsed)();
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(CachedKeys {
            keys,
            confirmed,
            max_age,
        });
        Ok(())
    }

    fn cached(&self) -> Option<CachedKeys> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
