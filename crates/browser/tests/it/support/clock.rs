//! The machine's time, turned ahead as the test wants.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use tm_auth_server::clock::{Clock, SystemClock};

/// Runs on, unlike a manual clock: a browser signs with the time that it has.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock(Mutex<SignedDuration>);

impl ShiftedClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }

    /// By how much it is ahead.
    pub(crate) fn shift(&self) -> SignedDuration {
        *self.0.lock().unwrap()
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.shift()
    }
}
