//! What of a run can be counted, and its longest time without service.

use std::fmt;
use std::time::{Duration, Instant};

/// Figures of one run.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Acknowledged mints.
    pub minted: u64,
    /// Acknowledged rotations. The same successor given again is not another one.
    pub refreshed: u64,
    /// Acknowledged ends of sessions.
    pub ended: u64,
    /// Acknowledged revocations of keys.
    pub revoked: u64,
    /// Acknowledged registrations of keys.
    pub registered: u64,
    /// Requests that were sent, with no answer.
    pub lost: u64,
    /// Requests that could not be sent, since nobody took the connection.
    pub unsent: u64,
    /// Answers of "cannot now": 500 and above.
    pub unavailable: u64,
    /// Answers of "too many" (429).
    pub limited: u64,
    /// The longest time between two answers that decided something.
    pub without_service: Duration,
    answered_last: Instant,
}

impl Counts {
    pub(super) fn start() -> Self {
        Self {
            minted: 0,
            refreshed: 0,
            ended: 0,
            revoked: 0,
            registered: 0,
            lost: 0,
            unsent: 0,
            unavailable: 0,
            limited: 0,
            without_service: Duration::ZERO,
            answered_last: Instant::now(),
        }
    }

    pub(super) fn answered(&mut self) {
        let silent = self.answered_last.elapsed();
        self.without_service = self.without_service.max(silent);
        self.answered_last = Instant::now();
    }

    /// Acknowledged writes of every kind.
    pub fn acknowledged(&self) -> u64 {
        self.minted + self.refreshed + self.ended + self.revoked + self.registered
    }

    /// Requests of which nobody knows whether they took effect.
    pub fn unknown(&self) -> u64 {
        self.lost + self.unavailable
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged ({} mints, {} rotations, {} sessions ended, {} keys revoked, {} keys made); \
             {} answers lost, {} requests not taken, {} times 5xx, {} times 429; {:.1} s without service at the longest",
            self.acknowledged(),
            self.minted,
            self.refreshed,
            self.ended,
            self.revoked,
            self.registered,
            self.lost,
            self.unsent,
            self.unavailable,
            self.limited,
            self.without_service.as_secs_f64()
        )
    }
}
