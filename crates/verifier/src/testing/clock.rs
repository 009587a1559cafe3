//! A clock that tests set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::Clock;

/// The time of a new clock in Unix seconds: 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

/// A clock that moves only when [`ManualClock::advance`] is called. Clones share the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    seconds: Arc<AtomicI64>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            seconds: Arc::new(AtomicI64::new(START)),
        }
    }
}

impl ManualClock {
    /// Moves the clock forward by this many seconds, or back if negative.
    pub fn advance(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let seconds = self.seconds.load(Ordering::Relaxed);
        Timestamp::from_second(seconds).expect("a test stays within nine thousand years")
    }
}
