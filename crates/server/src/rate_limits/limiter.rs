//! A limit on how often a key may do something: the generic cell rate algorithm, which needs one
//! number per key.
//!
//! For each key the limiter keeps one instant, the *theoretical arrival time*: when all charges of
//! the key have run out. A charge moves it one emission interval later. A request is refused while
//! it is more than `burst - 1` intervals ahead of now. So at most `burst + elapsed / interval`
//! requests are admitted in any span.
//!
//! Authenticated requests are charged on arrival ([`RateLimiter::charge_or_refuse`]).
//! Unauthenticated ones are only checked ([`RateLimiter::peek`]) and charged when they fail.
//! Several concurrent ones may all pass the check. Their failures are charged beyond the burst, up
//! to one more burst.
//!
//! Memory is bounded. A full shard forgets the keys without charges and, if that is not enough, an
//! eighth of its keys, those with the fewest charges. To make it forget one *limited* key, an
//! attacker must first charge nearly all keys of the table as much.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// The number of shards, each with its own lock. It is so large that two cores rarely wait for the
/// same lock.
const SHARDS: usize = 16;

/// The maximum number of bursts that a key can be charged ahead of now.
const MOST_BURSTS_AHEAD: i64 = 2;

/// The number of requests at once, and the interval after which one more is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    interval_us: i64,
}

impl Rate {
    /// Admits `requests` at once, and as many again, evenly spread, within a minute. Zero counts as
    /// one.
    pub fn per_minute(requests: u32) -> Self {
        Self::new(requests, Duration::from_mins(1))
    }

    /// Admits `burst` at once, and as many again, evenly spread, within `period`. Zero counts as
    /// one.
    pub fn new(burst: u32, period: Duration) -> Self {
        let burst = burst.max(1);
        let interval = i64::try_from(period.as_micros().div_ceil(burst.into())).unwrap_or(i64::MAX);
        // The bounds avoid overflow and an interval of zero.
        Self {
            burst,
            interval_us: interval.clamp(1, i64::MAX / 8 / i64::from(burst)),
        }
    }

    /// `factor` times as many requests in the same period.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        let burst = self.burst.saturating_mul(factor.max(1));
        Self {
            burst,
            interval_us: (self.interval_us / i64::from(factor.max(1)))
                .clamp(1, i64::MAX / 8 / i64::from(burst)),
        }
    }

    /// How far ahead of now the arrival time of an admitted key may be.
    fn tolerance_us(self) -> i64 {
        self.interval_us * i64::from(self.burst - 1)
    }

    fn most_ahead_us(self) -> i64 {
        self.interval_us * i64::from(self.burst) * MOST_BURSTS_AHEAD
    }
}

/// A refusal. A request after this time is admitted if no other is charged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; retry in {} s", self.seconds())]
pub struct RetryAfter(Duration);

impl RetryAfter {
    /// The value of the `Retry-After` header: whole seconds, rounded up, at least one.
    pub fn seconds(self) -> u64 {
        self.0
            .as_secs()
            .saturating_add(u64::from(self.0.subsec_nanos() > 0))
            .max(1)
    }

    /// The exact time.
    pub fn duration(self) -> Duration {
        self.0
    }
}

/// Limits the rate of each of many keys.
#[derive(Debug)]
pub struct RateLimiter<K> {
    rate: Rate,
    shard_capacity: usize,
    hasher: RandomState,
    shards: [Mutex<HashMap<K, i64>>; SHARDS],
}

impl<K: Hash + Eq> RateLimiter<K> {
    /// Returns a limiter that holds about `capacity` keys at most.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        let shard_capacity = capacity.div_ceil(SHARDS).max(8);
        Self {
            rate,
            shard_capacity,
            hasher: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// Whether a request of `key` would be admitted. Charges nothing.
    pub fn peek(&self, key: &K, now: Timestamp) -> Result<(), RetryAfter> {
        let now = now.as_microsecond();
        let stored = self.shard(key).get(key).copied();
        self.admit(stored, now).map(|_| ())
    }

    /// Charges one request, whether or not it would be admitted.
    pub fn charge(&self, key: K, now: Timestamp) {
        let now = now.as_microsecond();
        let mut shard = self.shard(&key);
        let arrival = self.current(shard.get(&key).copied(), now) + self.rate.interval_us;
        self.remember(&mut shard, key, arrival.min(now + self.rate.most_ahead_us()), now);
    }

    /// Charges one request if it is admitted. A refused one costs nothing.
    pub fn charge_or_refuse(&self, key: K, now: Timestamp) -> Result<(), RetryAfter> {
        let now = now.as_microsecond();
        let mut shard = self.shard(&key);
        let arrival = self.admit(shard.get(&key).copied(), now)?;
        self.remember(&mut shard, key, arrival + self.rate.interval_us, now);
        Ok(())
    }

    /// Whether the key has used up at least one `part`th of its burst.
    pub fn has_used(&self, key: &K, part: u32, now: Timestamp) -> bool {
        let now = now.as_microsecond();
        let ahead = self.current(self.shard(key).get(key).copied(), now) - now;
        ahead > 0 && ahead >= self.rate.interval_us * i64::from(self.rate.burst / part.max(1))
    }

    /// Refunds one charge.
    pub fn refund(&self, key: &K) {
        if let Some(arrival) = self.shard(key).get_mut(key) {
            *arrival -= self.rate.interval_us;
        }
    }

    /// The number of keys that are held.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The arrival time of the key, or now if that has passed.
    fn current(&self, stored: Option<i64>, now: i64) -> i64 {
        match stored {
            // Farther ahead than any charge goes: the clock was set back. Drop the charges, since
            // the key would otherwise be refused until the clock catches up.
            Some(arrival) if arrival - now > self.rate.most_ahead_us() => now,
            Some(arrival) => arrival.max(now),
            None => now,
        }
    }

    fn admit(&self, stored: Option<i64>, now: i64) -> Result<i64, RetryAfter> {
        let arrival = self.current(stored, now);
        let early_us = arrival - now - self.rate.tolerance_us();
        match u64::try_from(early_us) {
            Ok(wait @ 1..) => Err(RetryAfter(Duration::from_micros(wait))),
            Ok(0) | Err(_) => Ok(arrival),
        }
    }

    fn remember(&self, shard: &mut HashMap<K, i64>, key: K, arrival: i64, now: i64) {
        if shard.len() >= self.shard_capacity && !shard.contains_key(&key) {
            self.make_room(shard, now);
        }
        shard.insert(key, arrival);
    }

    /// Frees at least an eighth of the shard, so that the time per new key is constant on average.
    fn make_room(&self, shard: &mut HashMap<K, i64>, now: i64) {
        shard.retain(|_, arrival| self.current(Some(*arrival), now) > now);
        let excess = (shard.len() + self.shard_capacity / 8).saturating_sub(self.shard_capacity);
        if excess == 0 {
            return;
        }
        let mut arrivals: Vec<i64> = shard.values().copied().collect();
        let (_, &mut least_kept, _) = arrivals.select_nth_unstable(excess);
        let mut left = excess;
        shard.retain(|_, arrival| {
            // Count the forgotten keys, since many may have exactly the arrival time `least_kept`.
            let forget = left > 0 && *arrival <= least_kept;
            left -= usize::from(forget);
            !forget
        });
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, i64>> {
        // The hasher has a random key, so an attacker cannot aim at one shard.
        let shard = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        // A poisoned lock is fine: a panic cannot leave a single number half written.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
