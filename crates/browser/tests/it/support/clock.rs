//! The machine's time plus an offset.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use tm_auth_server::clock::{Clock, SystemClock};

/// The machine's clock plus an offset. It keeps running, unlike a manual clock, since the browser
/// signs with the machine's time.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock(Mutex<SignedDuration>);

impl ShiftedClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }

    /// The offset.
    pub(crate) fn shift(&self) -> SignedDuration {
        *self.0.lock().unwrap()
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.shift()
    }
}
