//! An issuer's keys, kept fresh.
//!
//! 1. A verifier's background task fetches the JWKS at once, then each time its `max-age` (at most a
//!    set time) is over. Without such a task, [`KeyCache::keys_for`] fetches it when it is due.
//! 2. A token with an unknown `kid` may cause a fetch out of turn: one at a time, and none within the
//!    cool-down after the last one, so that tokens with made-up names cost the issuer nothing.
//! 3. A set is replaced whole or not at all. If it cannot be fetched, is malformed, or holds no usable
//!    key, the one before stays in use, until that one is too old to be trusted.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::{Fetch, FetchError, FetchRequest, Fetched, KeySet};

/// Longest JWKS that is read, in bytes.
pub const MAX_JWKS_LEN: usize = 64 * 1024;

/// The intervals of a [`KeyCache`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyTimes {
    /// A copy is renewed after this long, or sooner if the issuer's `Cache-Control` says so; 5 min.
    pub max_age: Duration,
    /// Least time between two fetches while a set is in use; 30 s.
    pub cool_down: Duration,
    /// Time between two fetches of a verifier's background task while there is no set; 5 s.
    pub retry: Duration,
    /// A copy that was not confirmed for this long is no longer used; 24 h.
    pub max_stale: Duration,
    /// Deadline of one fetch; 5 s.
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

/// An issuer's keys, kept fresh.
///
/// A [`crate::Verifier`] has its own. Use this one for tokens that are no access tokens, with
/// [`KeyCache::keys_for`] and [`KeySet::verify_signature`].
pub struct KeyCache {
    fetch: Arc<dyn Fetch>,
    url: String,
    times: KeyTimes,
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    held: RwLock<Option<Held>>,
    flight: Mutex<Flight>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<KeySet>,
    /// By [`KeyCache::elapsed`], as every point in time here.
    confirmed: Duration,
    /// What the issuer's `Cache-Control` says.
    max_age: Option<Duration>,
}

/// What only the one fetch at a time reads and writes.
#[derive(Default)]
struct Flight {
    last_attempt: Option<Duration>,
    failed: bool,
    etag: Option<String>,
}

impl KeyCache {
    /// A cache of the JWKS at `url`. Nothing is fetched yet.
    ///
    /// `elapsed` tells how long ago some fixed instant was. A clock that is set back counts like one
    /// that is set forward.
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
            held: RwLock::new(None),
            flight: Mutex::new(Flight::default()),
        }
    }

    /// The keys for a token that names `kid`. They are fetched first if that is due, or if none has
    /// this name, at most once per cool-down. `None` if there are no keys, or none was confirmed for
    /// too long.
    pub async fn keys_for(self: &Arc<Self>, kid: &str) -> Option<Arc<KeySet>> {
        let is_fresh =
            |held: Held| self.since(held.confirmed) < self.max_age(held.max_age) && held.keys.contains(kid);
        if !self.held().is_some_and(is_fresh) {
            self.refetch_if_cool().await;
        }
        self.current()
    }

    /// The keys, unless there are none or they were not confirmed for too long.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let held = self.held()?;
        (self.since(held.confirmed) < self.times.max_stale).then_some(held.keys)
    }

    /// How long ago the issuer last confirmed the keys.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.held().map(|held| self.since(held.confirmed))
    }

    /// Gets the set unless that was tried within the cool-down; waits for a fetch that is under way.
    pub(crate) async fn refetch_if_cool(self: &Arc<Self>) {
        if self.flight.try_lock().is_ok_and(|flight| self.cooling(&flight)) {
            return;
        }
        // In a task of its own: the request that asked may be given up by its sender, who could otherwise
        // break off each fetch as soon as the cool-down lets one begin.
        let this = Arc::clone(self);
        let fetch = tokio::spawn(async move {
            let mut flight = this.flight.lock().await;
            if !this.cooling(&flight) {
                this.renew(&mut flight).await.ok();
            }
        });
        fetch.await.ok();
    }

    /// Gets the set now, cool-down or not.
    pub(crate) async fn refresh(&self) -> Result<(), FetchError> {
        let mut flight = self.flight.lock().await;
        self.renew(&mut flight).await
    }

    /// How long the background task waits before it gets the set again.
    pub(crate) async fn until_next(&self) -> Duration {
        let flight = self.flight.lock().await;
        let Some(held) = self.held() else {
            return self.times.retry;
        };
        gauge!("tm_auth_verifier_keys_age_seconds").set(self.since(held.confirmed).as_secs_f64());
        if flight.failed {
            self.times.cool_down
        } else {
            self.max_age(held.max_age)
        }
    }

    fn max_age(&self, said: Option<Duration>) -> Duration {
        let max = self.times.max_age;
        said.map_or(max, |said| said.max(self.times.cool_down).min(max))
    }

    fn cooling(&self, flight: &Flight) -> bool {
        flight
            .last_attempt
            .is_some_and(|at| self.since(at) < self.times.cool_down)
    }

    fn since(&self, at: Duration) -> Duration {
        (self.elapsed)().abs_diff(at)
    }

    async fn renew(&self, flight: &mut Flight) -> Result<(), FetchError> {
        // Before the first wait: a fetch that is broken off counts too.
        flight.last_attempt = Some((self.elapsed)());
        flight.failed = true;
        let result = self.replace(flight).await;
        flight.failed = result.is_err();
        let outcome = if let Err(error) = &result {
            tracing::warn!(url = self.url, %error, "the issuer's keys could not be renewed");
            "failed"
        } else {
            "ok"
        };
        counter!("tm_auth_verifier_fetches_total", "document" => "jwks", "outcome" => outcome).increment(1);
        result
    }

    async fn replace(&self, flight: &mut Flight) -> Result<(), FetchError> {
        let request = FetchRequest {
            url: &self.url,
            etag: flight.etag.as_deref(),
            max_len: MAX_JWKS_LEN,
        };
        let fetched = timeout(self.times.timeout, self.fetch.fetch(request))
            .await
            .map_err(|_| FetchError::Timeout)??;
        let (keys, max_age) = match fetched {
            Fetched::NotModified { max_age } => {
                (self.held().ok_or(FetchError::NothingToConfirm)?.keys, max_age)
            }
            Fetched::Document { body, etag, max_age } => {
                let keys = KeySet::from_json(&body)?;
                if keys.is_empty() {
                    return Err(FetchError::NoUsableKey);
                }
                flight.etag = etag;
                gauge!("tm_auth_verifier_keys").set(u32::try_from(keys.len()).unwrap_or(u32::MAX));
                (Arc::new(keys), max_age)
            }
        };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Held {
            keys,
            confirmed: (self.elapsed)(),
            max_age,
        });
        Ok(())
    }

    fn held(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
