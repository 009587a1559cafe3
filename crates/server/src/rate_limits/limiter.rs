//! A limit on how often a key may do something: the generic cell rate algorithm, one number per key.
//!
//! Per key the limiter keeps one instant, the *theoretical arrival time*: when the key will be back to zero. A
//! charge moves it one emission interval further; a key is refused while it lies a whole burst ahead of now. So
//! at most `burst + elapsed / interval` requests are admitted in any span.
//!
//! Proven requests are charged when they come ([`RateLimiter::charge_or_refuse`]). Unproven ones are only looked
//! at ([`RateLimiter::peek`]) and charged once they failed, so that nobody uses up the budget of a key that is
//! not theirs. Requests under way at the same moment may all pass the look; their failures count all the same,
//! as a debt of up to one more burst.
//!
//! Memory is bounded. When a shard is full it forgets what is back to zero and, if that does not suffice, an
//! eighth of its keys, those with the least charged. To have one *limited* key forgotten, an attacker must
//! charge nearly the whole table up to the same level first.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Enough that two cores rarely meet on one lock.
const SHARDS: usize = 16;

/// How many bursts ahead of now a key can be charged.
const MOST_BURSTS_AHEAD: i64 = 2;

/// A burst, and how long it takes to have it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    interval_us: i64,
}

impl Rate {
    /// `requests` at once, and as many again a minute later, one by one. Zero counts as one.
    pub fn per_minute(requests: u32) -> Self {
        Self::new(requests, Duration::from_mins(1))
    }

    /// `burst` at once, and as many again `period` later, one by one. Zero counts as one.
    pub fn new(burst: u32, period: Duration) -> Self {
        let burst = burst.max(1);
        let interval = i64::try_from(period.as_micros().div_ceil(burst.into())).unwrap_or(i64::MAX);
        // So long that it overflows is shortened to 36,000 years; so short that it is none is a microsecond.
        Self {
            burst,
            interval_us: interval.clamp(1, i64::MAX / 8 / i64::from(burst)),
        }
    }

    /// How far ahead a key may be and still be admitted.
    fn tolerance_us(self) -> i64 {
        self.interval_us * i64::from(self.burst - 1)
    }

    fn most_ahead_us(self) -> i64 {
        self.interval_us * i64::from(self.burst) * MOST_BURSTS_AHEAD
    }
}

/// Refused; the next request is welcome after this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; the next one is welcome in {} s", self.seconds())]
pub struct RetryAfter(Duration);

impl RetryAfter {
    /// For the `Retry-After` header: whole seconds, rounded up, at least one.
    pub fn seconds(self) -> u64 {
        self.0
            .as_secs()
            .saturating_add(u64::from(self.0.subsec_nanos() > 0))
            .max(1)
    }

    /// How long exactly.
    pub fn duration(self) -> Duration {
        self.0
    }
}

/// One limit over many keys.
#[derive(Debug)]
pub struct RateLimiter<K> {
    rate: Rate,
    shard_capacity: usize,
    hasher: RandomState,
    shards: [Mutex<HashMap<K, i64>>; SHARDS],
}

impl<K: Hash + Eq> RateLimiter<K> {
    /// Remembers about `capacity` keys at most.
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

    /// Charges one request, admitted or not.
    pub fn charge(&self, key: K, now: Timestamp) {
        let now = now.as_microsecond();
        let mut shard = self.shard(&key);
        let arrival = self.current(shard.get(&key).copied(), now) + self.rate.interval_us;
        self.remember(&mut shard, key, arrival.min(now + self.rate.most_ahead_us()), now);
    }

    /// Charges one request if it is admitted; a refused one costs nothing.
    pub fn charge_or_refuse(&self, key: K, now: Timestamp) -> Result<(), RetryAfter> {
        let now = now.as_microsecond();
        let mut shard = self.shard(&key);
        let arrival = self.admit(shard.get(&key).copied(), now)?;
        self.remember(&mut shard, key, arrival + self.rate.interval_us, now);
        Ok(())
    }

    /// Takes one charge back.
    pub fn refund(&self, key: &K) {
        if let Some(arrival) = self.shard(key).get_mut(key) {
            *arrival -= self.rate.interval_us;
        }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the key is back to zero, now at the earliest.
    fn current(&self, stored: Option<i64>, now: i64) -> i64 {
        match stored {
            // Farther ahead than any charge goes: the clock was set back. Start anew rather than refuse until
            // it has caught up.
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

    /// Costs one walk over the shard and frees an eighth of it, so eight steps per new key in the long run.
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
            // Many keys may share the bound, so they are counted.
            let forget = left > 0 && *arrival <= least_kept;
            left -= usize::from(forget);
            !forget
        });
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, i64>> {
        // The hasher is keyed at random: nobody can aim at one shard.
        let shard = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default();
        // A panic elsewhere cannot have left a single number half written.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
