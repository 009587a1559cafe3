//! The only source of the current time.

use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A source of the current time. Read once per request and passed on as a value.
pub trait Clock: Send + Sync + 'static {
    /// The current time in whole milliseconds. This is the precision of the database, so storing a
    /// time does not change it.
    fn now(&self) -> Timestamp;

    /// The time of a stopwatch that runs since the process began. No step of the clock changes it.
    fn running(&self) -> Duration {
        static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
        STARTED.elapsed()
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        whole_milliseconds(Timestamp::now())
    }
}

/// A clock for tests. It moves only if told to.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>, Mutex<Duration>);

impl ManualClock {
    /// Starts at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(whole_milliseconds(start)), Mutex::default())
    }

    /// Moves the clock. A negative duration moves it back.
    pub fn advance(&self, by: SignedDuration) {
        *self.0.lock().expect("nothing panics while holding it") += by;
    }

    /// Moves the stopwatch.
    pub fn run(&self, by: Duration) {
        *self.1.lock().expect("nothing panics while holding it") += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("nothing panics while holding it")
    }

    fn running(&self) -> Duration {
        *self.1.lock().expect("nothing panics while holding it")
    }
}

fn whole_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).expect("a rounded timestamp is in range")
}
