//! Counts of a run, and its longest outage.

use std::fmt;
use std::time::{Duration, Instant};

/// Counts of one run.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Acknowledged mints.
    pub minted: u64,
    /// Acknowledged refreshes; two concurrent calls with the same token count once.
    pub refreshed: u64,
    /// Acknowledged session ends.
    pub ended: u64,
    /// Acknowledged key revocations.
    pub revoked: u64,
    /// Acknowledged key registrations.
    pub registered: u64,
    /// Requests that may have been sent and got neither a decisive answer nor 429 or 5xx.
    pub lost: u64,
    /// Requests that were not sent, since the connection failed.
    pub unsent: u64,
    /// Answers with a 5xx status.
    pub unavailable: u64,
    /// Answers with status 429.
    pub rate_limited: u64,
    /// The longest time between two decisive answers: a success or a permanent refusal.
    pub longest_outage: Duration,
    /// The time of the last decisive answer.
    last_decisive: Instant,
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
            rate_limited: 0,
            longest_outage: Duration::ZERO,
            last_decisive: Instant::now(),
        }
    }

    /// Records a decisive answer.
    pub(super) fn answered(&mut self) {
        let outage = self.last_decisive.elapsed();
        self.longest_outage = self.longest_outage.max(outage);
        self.last_decisive = Instant::now();
    }

    /// Acknowledged writes of every kind.
    pub fn acknowledged(&self) -> u64 {
        self.minted + self.refreshed + self.ended + self.revoked + self.registered
    }

    /// Requests that may or may not have taken effect.
    pub fn unknown(&self) -> u64 {
        self.lost + self.unavailable
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} writes acknowledged ({} mints, {} refreshes, {} sessions ended, {} keys revoked, {} keys created); \
             {} answers lost, {} requests not sent, {} times 5xx, {} times 429; longest outage {:.1} s",
            self.acknowledged(),
            self.minted,
            self.refreshed,
            self.ended,
            self.revoked,
            self.registered,
            self.lost,
            self.unsent,
            self.unavailable,
            self.rate_limited,
            self.longest_outage.as_secs_f64()
        )
    }
}
