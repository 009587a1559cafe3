//! A clock that tests set by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::Runtime;
use crate::runtime::Sleep;

/// A clock that tests set by hand. Sleeping moves the clock forward and returns at once, so no test
/// waits.
#[derive(Debug)]
pub struct TestRuntime {
    now: Mutex<Timestamp>,
    slept: Mutex<Vec<Duration>>,
    random: AtomicU64,
}

impl TestRuntime {
    /// Creates a clock that shows `now`.
    pub fn starting_at(now: Timestamp) -> Self {
        Self {
            now: Mutex::new(now),
            slept: Mutex::default(),
            random: AtomicU64::new(200),
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let mut now = lock(&self.now);
        *now = now.checked_add(duration).unwrap_or(Timestamp::MAX);
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.now) = now;
    }

    /// Sets the number that [`Runtime::random`] returns. By default 200, which refreshes tokens
    /// exactly five minutes before they expire.
    pub fn set_random(&self, value: u64) {
        self.random.store(value, Ordering::SeqCst);
    }

    /// Returns the duration of every sleep so far, oldest first.
    pub fn slept(&self) -> Vec<Duration> {
        lock(&self.slept).clone()
    }
}

impl Default for TestRuntime {
    /// Creates a clock that shows 2025-11-24T16:00:00Z.
    fn default() -> Self {
        Self::starting_at(Timestamp::constant(1_764_000_000, 0))
    }
}

impl Runtime for TestRuntime {
    fn now(&self) -> Timestamp {
        *lock(&self.now)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        lock(&self.slept).push(duration);
        self.advance(duration);
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> u64 {
        self.random.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
