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
    held: RwLock<Option<Held>>,
    flight: Mutex<Flight>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<KeySet>,
    confirmed: Instant,
}

/// What only the one fetch at a time reads and writes.
#[derive(Default)]
struct Flight {
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
            held: RwLock::new(None),
            flight: Mutex::new(Flight::default()),
        }
    }

    /// The keys, unless there are none or they were not confirmed for too long.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let held = self.held()?;
        (held.confirmed.elapsed() <= self.times.max_stale).then_some(held.keys)
    }

    /// How long ago the issuer last confirmed the keys.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.held().map(|held| held.confirmed.elapsed())
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
        let age = self.age();
        if let Some(age) = age {
            gauge!("tm_auth_verifier_keys_age_seconds").set(age.as_secs_f64());
        }
        match (age, flight.failed) {
            (None, _) => self.times.retry,
            (Some(_), true) => self.times.cool_down,
            (Some(_), false) => self.max_age(flight.max_age),
        }
    }

    fn max_age(&self, said: Option<Duration>) -> Duration {
        let max = self.times.max_age;
        said.map_or(max, |said| said.max(self.times.cool_down).min(max))
    }

    fn cooling(&self, flight: &Flight) -> bool {
        flight
            .last_attempt
            .is_some_and(|at| at.elapsed() < self.times.cool_down)
    }

    async fn renew(&self, flight: &mut Flight) -> Result<(), FetchError> {
        // Before the first wait: a fetch that is broken off counts too.
        flight.last_attempt = Some(Instant::now());
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
        let keys = match fetched {
            Fetched::NotModified { max_age } => {
                flight.max_age = max_age;
                self.held().ok_or(FetchError::NothingToConfirm)?.keys
            }
            Fetched::Document { body, etag, max_age } => {
                let keys = KeySet::from_json(&body)?;
                if keys.is_empty() {
                    return Err(FetchError::NoUsableKey);
                }
                (flight.etag, flight.max_age) = (etag, max_age);
                gauge!("tm_auth_verifier_keys").set(u32::try_from(keys.len()).unwrap_or(u32::MAX));
                Arc::new(keys)
            }
        };
        let confirmed = Instant::now();
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Held { keys, confirmed });
        Ok(())
    }

    fn held(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
