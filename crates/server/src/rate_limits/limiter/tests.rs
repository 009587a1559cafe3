use proptest::prelude::*;

use super::*;

const MINUTE_MS: i64 = 60_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + ms).unwrap()
}

fn sixty_a_minute() -> RateLimiter<u64> {
    RateLimiter::new(Rate::per_minute(60), 1000)
}

#[test]
fn d16_a_burst_is_admitted_and_then_one_at_a_time() {
    let limiter = sixty_a_minute();
    for _ in 0..60 {
        limiter.charge_or_refuse(1, at(0)).unwrap();
    }
    let refusal = limiter.charge_or_refuse(1, at(0)).unwrap_err();
    assert_eq!(refusal.duration(), Duration::from_secs(1));
    assert!(limiter.charge_or_refuse(1, at(999)).is_err());
    assert!(limiter.charge_or_refuse(1, at(1000)).is_ok());
    assert!(limiter.charge_or_refuse(1, at(1000)).is_err());
    assert!(
        limiter.charge_or_refuse(2, at(0)).is_ok(),
        "another key has its own budget"
    );
}

#[test]
fn d16_a_peek_and_a_refusal_charge_nothing() {
    let limiter = sixty_a_minute();
    for _ in 0..1000 {
        limiter.peek(&1, at(0)).unwrap();
    }
    assert!(limiter.is_empty());
    for _ in 0..60 {
        limiter.charge(1, at(0));
    }
    for _ in 0..1000 {
        assert!(limiter.charge_or_refuse(1, at(0)).is_err());
        assert!(limiter.peek(&1, at(0)).is_err());
    }
    assert!(limiter.peek(&1, at(1000)).is_ok());
}

#[test]
fn d16_failures_charge_at_most_one_burst_beyond_the_limit() {
    let limiter = sixty_a_minute();
    for _ in 0..1000 {
        limiter.charge(1, at(0));
    }
    assert_eq!(
        limiter.peek(&1, at(0)).unwrap_err().duration(),
        Duration::from_secs(61)
    );
    assert!(limiter.peek(&1, at(MINUTE_MS + 1000)).is_ok());
    limiter.charge(1, at(MINUTE_MS + 1000));
    assert!(limiter.peek(&1, at(MINUTE_MS + 1000)).is_err());
}

#[test]
fn d16_retry_after_is_whole_seconds_rounded_up() {
    for (ms, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (59_001, 60)] {
        assert_eq!(RetryAfter(Duration::from_millis(ms)).seconds(), seconds, "{ms}");
    }
    assert!(RetryAfter(Duration::from_secs(3)).to_string().contains("3 s"));
}

#[test]
fn j10_a_clock_that_is_set_back_locks_no_key_out() {
    let limiter = sixty_a_minute();
    for _ in 0..60 {
        limiter.charge(1, at(0));
    }
    assert!(limiter.peek(&1, at(-3_600_000)).is_ok());
    limiter.charge_or_refuse(1, at(-3_600_000)).unwrap();
    for now in [Timestamp::MIN, Timestamp::MAX] {
        let _ = limiter.charge_or_refuse(7, now);
        limiter.charge(7, now);
        let _ = limiter.peek(&7, now);
    }
}

#[test]
fn i09_memory_is_bounded_and_keys_without_charges_are_forgotten_first() {
    let limiter = RateLimiter::new(Rate::per_minute(60), 1600);
    for key in 0..100_000u64 {
        limiter.charge(key, at(0));
        assert!(limiter.len() <= 1600);
    }
    for key in 0..60 {
        limiter.charge(u64::MAX - key, at(2000));
    }
    assert!(limiter.len() < 1600, "the keys without charges are forgotten");
}

#[test]
fn i09_a_limited_key_is_not_forgotten_for_a_flood_of_new_ones() {
    let limiter = RateLimiter::new(Rate::per_minute(60), 1600);
    for _ in 0..60 {
        limiter.charge(u64::MAX, at(0));
    }
    for key in 0..100_000 {
        limiter.charge(key, at(0));
        limiter.charge(key, at(0));
    }
    assert!(limiter.peek(&u64::MAX, at(0)).is_err());
}

#[test]
fn i09_if_all_keys_have_the_same_charge_an_eighth_is_forgotten() {
    let limiter = RateLimiter::new(Rate::new(1, Duration::from_hours(1)), 16 * 8);
    for key in 0..10_000u64 {
        limiter.charge_or_refuse(key, at(0)).unwrap();
    }
    assert!(limiter.len() <= 16 * 8);
    assert!(limiter.len() >= 16 * 6, "more than an eighth was forgotten");
}

#[test]
fn i17_extreme_rates_do_not_overflow() {
    for rate in [
        Rate::new(0, Duration::ZERO),
        Rate::new(u32::MAX, Duration::MAX),
        Rate::new(1, Duration::MAX),
        Rate::per_minute(u32::MAX),
    ] {
        let limiter = RateLimiter::new(rate, 0);
        limiter.charge((), at(0));
        let _ = limiter.charge_or_refuse((), at(1));
    }
}

proptest! {
    #[test]
    fn d16_a_span_admits_at_most_the_burst_and_the_rate_times_its_length(
        burst in 1u32..100,
        steps in prop::collection::vec(0i64..3000, 1..400),
    ) {
        let limiter = RateLimiter::new(Rate::per_minute(burst), 100);
        let mut now = 0;
        let mut admitted = Vec::new();
        for step in steps {
            now += step;
            if limiter.charge_or_refuse("key", at(now)).is_ok() {
                admitted.push(now);
            }
        }
        // Check every span that begins and ends with an admitted request.
        for (i, from) in admitted.iter().enumerate() {
            for (count, to) in admitted[i..].iter().enumerate() {
                let most = i64::from(burst) + (to - from) * i64::from(burst) / MINUTE_MS;
                prop_assert!(i64::try_from(count + 1).unwrap() <= most, "{} in {} ms", count + 1, to - from);
            }
        }
    }

    #[test]
    fn d16_a_caller_within_the_rate_is_never_refused(burst in 1u32..1000, count in 1i64..300) {
        let limiter = RateLimiter::new(Rate::per_minute(burst), 100);
        let interval_ms = (MINUTE_MS + i64::from(burst) - 1) / i64::from(burst);
        for i in 0..count {
            prop_assert!(limiter.charge_or_refuse("key", at(i * interval_ms)).is_ok());
        }
    }
}

#[test]
fn d16_a_refund_takes_back_one_charge_and_no_more() {
    let limiter = RateLimiter::new(Rate::per_minute(2), 100);
    limiter.refund(&"a");
    assert!(limiter.is_empty(), "a refund without a charge stores nothing");
    for _ in 0..5 {
        limiter.charge_or_refuse("a", at(0)).unwrap();
        limiter.refund(&"a");
    }
    limiter.charge_or_refuse("a", at(0)).unwrap();
    limiter.charge_or_refuse("a", at(0)).unwrap();
    limiter.charge_or_refuse("a", at(0)).unwrap_err();
}
