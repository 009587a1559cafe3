//! Refresh token rotation and reuse detection (RFC 9700 section 4.14.2).
//!
//! The refresh tokens of a session are a token family. Each token carries a counter. The session's
//! row has `current`, the counter of the newest token, and `parent`, the counter of the token that
//! was exchanged for it. There is no row per token. [`decide`] judges a presented counter. "Soon"
//! means within the reuse grace after the last rotation:
//!
//! 1. `current`: issue the next token.
//! 2. Greater than `current`: the database lost its last writes. Treat the counter as `current`.
//! 3. `parent`, soon: the response was lost, or several threads refreshed at once. Issue the same
//!    successor again and write nothing.
//! 4. `parent`, later: the client never used the successor. Issue another one, which invalidates
//!    the unused one, but at most three times in a row.
//! 5. Any other counter, soon: a slow thread of the same client. Refuse, but keep the session.
//! 6. Otherwise a token was reused: end the session.
//!
//! Accepting `parent` without invalidating the successor would not be enough: a thief and the owner
//! who refresh in turns would both stay logged in forever. Here each turn invalidates the other
//! party's token, so that one of them soon reaches step 6.
//!
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
    /// Step 3: issue the newest token again, byte for byte. The family does not change.
    Repeat,
    /// Step 4: issue another successor, which invalidates the unused one.
    Reissue {
        /// New state of the family.
        next: TokenFamily,
    },
    /// Step 5: refuse, but keep the session.
    Superseded,
    /// Step 6: end the session.
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
        }
    }
}

/// Judges the counter of a presented token, steps 1 to 6. `window` is the reuse grace.
pub fn decide(family: &TokenFamily, presented: i64, now: Timestamp, window: SignedDuration) -> Decision {
    // Negative if the clock stepped back. That counts as soon, which is the lenient choice.
    let soon = now.duration_since(family.rotated_at) <= window;
    if presented >= family.current {
        let next = TokenFamily {
            current: presented.saturating_add(1),
            parent: Some(presented),
            rotated_at: now,
            reissue_count: 0,
        };
        return Decision::Rotate {
            next,
            fast_forward: presented > family.current,
        };
    }
    match (family.parent == Some(presented), soon) {
        (true, true) => Decision::Repeat,
        (true, false) if family.reissue_count < MAX_REISSUES => Decision::Reissue {
            next: TokenFamily {
                current: family.current + 1,
                rotated_at: now,
                reissue_count: family.reissue_count + 1,
                ..*family
            },
        },
        (false, true) => Decision::Superseded,
        (_, false) => Decision::Reuse,
    }
}

#[cfg(test)]
mod tests;
