//! Refresh token rotation and reuse detection (RFC 9700 section 4.14.2).
//!
//! The refresh tokens of a session are a token family. Each token carries a counter. The session's
//! row has `current`, the counter of the newest token, and `parent`, the counter of the token that
//! was exchanged for it. There is no row per token.
//!
//! The row also has the *burst*: the newest tokens that were exchanged one after the other without
//! a gap in their counters. `burst_oldest` is the oldest counter of the burst, `burst_began_at` is
//! when that token was exchanged. All later ones up to `current - 1` were exchanged after it. An
//! empty burst has `burst_oldest == current`.
//!
//! [`decide`] judges a presented counter. "Soon" means within the reuse grace after the last
//! rotation:
//!
//! 1. `current`: issue the next token.
//! 2. Greater than `current`: the database lost its last writes. Treat the counter as `current`.
//! 3. `parent`, soon: the response was lost, or several threads refreshed at once. Issue the same
//!    successor again and write nothing.
//! 4. `parent`, later: the client never used the successor. Issue another one, which invalidates
//!    the unused one, but at most three times in a row.
//! 5. A counter of the burst, and the burst began within the reuse grace: a thread of the same
//!    client that lags behind the others by several tokens. Issue `current` again and write
//!    nothing.
//! 6. Any other counter, soon: an invalidated token, or one that was exchanged before the burst.
//!    Refuse, but keep the session.
//! 7. Otherwise a token was reused: end the session.
//!
//! Step 1 continues the burst until it is older than the reuse grace. Then a new burst begins: with
//! `parent` if that was exchanged soon, else with the presented token. Steps 2 and 4 leave a gap in
//! the counters, so a new burst begins there. So step 5 never accepts a counter that was exchanged
//! longer ago than the reuse grace, or that step 4 invalidated.
//!
//! Accepting `parent` without invalidating the successor would not be enough: a thief and the owner
//! who refresh in turns would both stay logged in forever. Here each turn invalidates the other
//! party's token, so that one of them soon reaches step 7. Step 5 does not weaken this: it applies
//! only soon, when step 7 does not.
//!
//! Within the reuse grace after its exchange, a stolen token is worth as much as the newest one.
//! Two parties that share a token and always refresh within the reuse grace are not detected.

use jiff::{SignedDuration, Timestamp};

/// Maximum number of consecutive times that step 4 issues another successor. A client that loses
/// more responses is broken, or two clients share the token.
const MAX_REISSUES: i64 = 3;

/// State of a session's token family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenFamily {
    /// Counter of the newest token.
    pub current: i64,
    /// Counter of the token that was exchanged for the newest; `None` before the first refresh.
    pub parent: Option<i64>,
    /// When the newest token was issued.
    pub rotated_at: Timestamp,
    /// How many times in a row step 4 issued another successor.
    pub reissue_count: i64,
    /// Oldest counter of the burst; equals `current` if the burst is empty.
    pub burst_oldest: i64,
    /// When the oldest token of the burst was exchanged. Never after `rotated_at`.
    pub burst_began_at: Timestamp,
}

/// Result of [`decide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Steps 1 and 2: issue the next token.
    Rotate {
        /// New state of the family.
        next: TokenFamily,
        /// True in step 2: the presented counter was greater than `current`.
        fast_forward: bool,
    },
    /// Steps 3 and 5: issue the newest token again, byte for byte. The family does not change.
    Repeat,
    /// Step 4: issue another successor, which invalidates the unused one.
    Reissue {
        /// New state of the family.
        next: TokenFamily,
    },
    /// Step 6: refuse, but keep the session.
    Superseded,
    /// Step 7: end the session.
    Reuse,
}

impl TokenFamily {
    /// The family of a session that was just opened.
    pub fn start(now: Timestamp) -> Self {
        Self {
            current: 0,
            parent: None,
            rotated_at: now,
            reissue_count: 0,
            burst_oldest: 0,
            burst_began_at: now,
        }
    }

    /// The family after an exchange of `presented`, which is `current` or greater.
    fn exchanged(&self, presented: i64, now: Timestamp, window: SignedDuration) -> Self {
        let (burst_oldest, burst_began_at) = self.burst_with(presented, now, window);
        Self {
            current: presented.saturating_add(1),
            parent: Some(presented),
            rotated_at: now,
            reissue_count: 0,
            burst_oldest,
            burst_began_at,
        }
    }

    /// The burst after an exchange of `presented`.
    fn burst_with(&self, presented: i64, now: Timestamp, window: SignedDuration) -> (i64, Timestamp) {
        let continues = presented == self.current && self.burst_oldest < self.current;
        if continues && within(self.burst_began_at, now, window) {
            // Not later than now, even if the clock stepped back.
            (self.burst_oldest, self.burst_began_at.min(now))
        } else if continues && within(self.rotated_at, now, window) {
            // The burst is not empty, so its newest token is the parent.
            (self.current - 1, self.rotated_at.min(now))
        } else {
            (presented, now)
        }
    }

    /// The family after another successor for `parent`. The skipped counter was never exchanged, so
    /// the burst begins behind it.
    fn reissued(&self, now: Timestamp) -> Self {
        Self {
            current: self.current + 1,
            rotated_at: now,
            reissue_count: self.reissue_count + 1,
            burst_oldest: self.current + 1,
            burst_began_at: now,
            ..*self
        }
    }

    /// Step 5. A burst that begins in the future tells nothing: the clock stepped back, and how long
    /// ago a counter was exchanged is unknown.
    fn is_in_burst(&self, counter: i64, now: Timestamp, window: SignedDuration) -> bool {
        (self.burst_oldest..self.current).contains(&counter)
            && self.burst_began_at <= now
            && within(self.burst_began_at, now, window)
    }
}

/// Whether at most `window` has passed. A clock that stepped back gives a negative duration, which
/// counts as within: that is the lenient choice.
fn within(since: Timestamp, now: Timestamp, window: SignedDuration) -> bool {
    now.duration_since(since) <= window
}

/// Judges the counter of a presented token, steps 1 to 7. `window` is the reuse grace.
pub fn decide(family: &TokenFamily, presented: i64, now: Timestamp, window: SignedDuration) -> Decision {
    if presented >= family.current {
        return Decision::Rotate {
            next: family.exchanged(presented, now, window),
            fast_forward: presented > family.current,
        };
    }
    let soon = within(family.rotated_at, now, window);
    match (family.parent == Some(presented), soon) {
        (true, true) => Decision::Repeat,
        (true, false) if family.reissue_count < MAX_REISSUES => Decision::Reissue {
            next: family.reissued(now),
        },
        (false, true) if family.is_in_burst(presented, now, window) => Decision::Repeat,
        (false, true) => Decision::Superseded,
        (_, false) => Decision::Reuse,
    }
}

#[cfg(test)]
mod tests;
