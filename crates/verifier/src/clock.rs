//! The source of the time of day that `exp`, `iat` and `nbf` are compared with.

use jiff::Timestamp;

/// A source of the time of day.
///
/// Intervals, such as the cool-down and the age of the keys, are measured with the runtime's
/// monotonic clock instead, so that setting the time of day does not stretch or shorten them.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the only place that reads the real clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
