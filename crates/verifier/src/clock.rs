//! Where the time comes from that tokens are held against.

use jiff::Timestamp;

/// A source of the time of day. Intervals (cool-down, age of a copy) are measured by the runtime's
/// monotonic clock instead: a step of the time of day must neither freeze nor hurry them.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the real time comes in"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
