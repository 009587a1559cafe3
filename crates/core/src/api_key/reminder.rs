//! Reminders that a key is about to expire.

use jiff::{SignedDuration, Timestamp};

/// Days before the expiry on which a reminder is due, once each.
pub const DAYS: [u8; 3] = [30, 7, 1];

/// The latest of [`DAYS`] that has passed for a key that expires at `end`. `None` if the first is
/// still to come, or if the key has expired.
pub fn passed(end: Option<Timestamp>, now: Timestamp) -> Option<u8> {
    let left = end?.duration_since(now);
    if left.is_zero() || left.is_negative() {
        return None;
    }
    DAYS.into_iter().rev().find(|days| left <= span(*days))
}

/// The reminder to send now, if any. `reminded` is the last one that was sent, or that had already
/// passed when the owner chose `end`: the owner of a new key for five days needs no reminder that
/// it expires within seven.
pub fn due(end: Option<Timestamp>, reminded: Option<u8>, now: Timestamp) -> Option<u8> {
    passed(end, now).filter(|days| reminded.is_none_or(|reminded| *days < reminded))
}

/// Duration of `days` days of 24 hours.
pub fn span(days: u8) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Timestamp = Timestamp::UNIX_EPOCH;

    fn before(days: u8) -> Timestamp {
        END - span(days)
    }

    #[test]
    fn c10_each_reminder_is_due_from_its_day_until_the_next() {
        let tick = SignedDuration::from_millis(1);
        for (now, expected) in [
            (before(30) - tick, None),
            (before(30), Some(30)),
            (before(7) - tick, Some(30)),
            (before(7), Some(7)),
            (before(1) - tick, Some(7)),
            (before(1), Some(1)),
            (END - tick, Some(1)),
            (END, None),
            (END + tick, None),
        ] {
            assert_eq!(passed(Some(END), now), expected, "{now}");
            assert_eq!(due(Some(END), None, now), expected, "{now}");
        }
        assert_eq!(passed(None, END), None);
    }

    #[test]
    fn c10_a_reminder_is_due_once_and_never_after_a_later_one() {
        for (reminded, now, expected) in [
            (30, before(29), None),
            (30, before(7), Some(7)),
            (30, before(1), Some(1)),
            (7, before(7), None),
            (7, before(1), Some(1)),
            (1, before(1), None),
            (1, before(20), None),
        ] {
            assert_eq!(due(Some(END), Some(reminded), now), expected, "{reminded} {now}");
        }
    }
}
