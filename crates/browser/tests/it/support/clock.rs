//! A clock that a test can advance.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use tm_auth_server::clock::{Clock, SystemClock};

/// The machine's clock plus an offset. It keeps running, since the browser signs messages with the
/// machine's time.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock(Mutex<SignedDuration>);

impl ShiftedClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }

    pub(crate) fn offset(&self) -> SignedDuration {
        *self.0.lock().unwrap()
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.offset()
    }
}
