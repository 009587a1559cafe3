//! Whether a clock may decide what is deleted.
//!
//! A clock can jump, for example if a battery is empty or a time server is wrong. What is deleted
//! because its time seems to be over cannot be undone. So a time that is far from the last one that
//! the database has seen decides nothing until it has held for a while.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that is further from the last seen time has jumped, or nothing ran meanwhile.
pub const MAX_STEP: SignedDuration = SignedDuration::from_hours(24);

/// How long a clock must go on after a jump, before it is believed.
pub const PROBATION: Duration = Duration::from_hours(1);

/// What is known of a jump of this machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockJump(Option<Jumped>);

#[derive(Clone, Copy, Debug)]
struct Jumped {
    at: Timestamp,
    running: Duration,
}

/// The judgement of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The time may decide.
    Trusted,
    /// The clock is this far from the last seen time. `is_new`: since this call.
    Jumped {
        /// Positive if the clock is ahead.
        by: SignedDuration,
        /// Whether this call noticed the jump.
        is_new: bool,
    },
}

impl ClockJump {
    /// Judges the time `now`. `last_seen` is the last time that was trusted; `None`: there was none.
    /// `running` is the time of a stopwatch, which no step of the clock changes.
    pub fn judge(&mut self, last_seen: Option<Timestamp>, now: Timestamp, running: Duration) -> Verdict {
        let Some(by) = last_seen
            .map(|seen| now.duration_since(seen))
            .filter(|by| by.abs() > MAX_STEP)
        else {
            self.0 = None;
            return Verdict::Trusted;
        };
        // A second jump starts the probation again.
        let jumped = self.0.filter(|jumped| jumped.goes_on(now, running));
        let since = jumped.unwrap_or(Jumped { at: now, running });
        self.0 = Some(since);
        if running.saturating_sub(since.running) >= PROBATION {
            Verdict::Trusted
        } else {
            Verdict::Jumped {
                by,
                is_new: jumped.is_none(),
            }
        }
    }
}

impl Jumped {
    /// Whether the clock has not jumped again.
    fn goes_on(self, now: Timestamp, running: Duration) -> bool {
        let passed = running.saturating_sub(self.running);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        now.duration_since(self.at).saturating_sub(passed).abs() <= MAX_STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn jumped(by: i64, is_new: bool) -> Verdict {
        let by = SignedDuration::from_secs(by);
        Verdict::Jumped { by, is_new }
    }

    #[test]
    fn r46_a_time_near_the_last_seen_one_is_trusted() {
        for (last_seen, now) in [(None, 0), (Some(0), DAY), (Some(DAY), 0), (Some(0), 1)] {
            let last_seen = last_seen.map(at);
            assert_eq!(
                ClockJump::default().judge(last_seen, at(now), Duration::ZERO),
                Verdict::Trusted
            );
        }
    }

    #[test]
    fn r46_a_jump_is_trusted_after_an_hour_of_the_stopwatch_and_not_before() {
        for step in [400 * DAY, -400 * DAY] {
            let mut jump = ClockJump::default();
            let mut judge = |running: u64| {
                let now = at(step + i64::try_from(running).unwrap());
                jump.judge(Some(at(0)), now, Duration::from_secs(running))
            };
            assert_eq!(judge(0), jumped(step, true));
            assert_eq!(judge(1), jumped(step + 1, false));
            assert_eq!(judge(3599), jumped(step + 3599, false));
            assert_eq!(judge(3600), Verdict::Trusted);
        }
    }

    #[test]
    fn r46_a_clock_that_jumps_again_begins_again() {
        let mut jump = ClockJump::default();
        let seen = Some(at(0));
        assert_eq!(
            jump.judge(seen, at(400 * DAY), Duration::ZERO),
            jumped(400 * DAY, true)
        );
        // The clock alone says that an hour has passed.
        let later = Duration::from_mins(1);
        assert_eq!(
            jump.judge(seen, at(400 * DAY + 3600), later),
            jumped(400 * DAY + 3600, false)
        );
        let later = Duration::from_hours(1);
        assert_eq!(jump.judge(seen, at(800 * DAY), later), jumped(800 * DAY, true));
        let later = Duration::from_secs(3700);
        assert_eq!(
            jump.judge(seen, at(3700), later),
            Verdict::Trusted,
            "it is right again"
        );
        assert_eq!(jump.judge(seen, at(400 * DAY), later), jumped(400 * DAY, true));
    }
}
