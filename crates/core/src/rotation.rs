//! Refresh rotation: which of a session's tokens is the newest, told by two counters.
//!
//! A session is one line of tokens, each carrying its counter. The row keeps `current` (the newest token's)
//! and `parent` (the one that was exchanged for it), and no row per refresh. A presented counter n is
//!
//! 1. `current`: the next token is issued;
//! 2. newer than `current`: a lost suffix of the database; treated as `current`;
//! 3. `parent`, soon after the rotation: the answer was lost, or ten threads asked at once; the same
//!    successor again, and nothing is written;
//! 4. `parent`, later: the successor was never used; a new one, which voids it;
//! 5. anything else, soon after the rotation: a slow thread of the same program; refused, nothing ended;
//! 6. anything else, later: reuse; the session ends.
//!
//! Why "one before current is always welcome" is not enough: a thief and the owner taking turns would both
//! live for ever. Here every branch but one is soon neither current nor parent.
//!
//! What this cannot tell apart: two parties that always meet within the window.

use jiff::{SignedDuration, Timestamp};

/// Re-issues in a row before the session ends: a client that loses every answer is broken, or two.
const MAX_REISSUES: i64 = 3;

/// Where a session's line of tokens stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The newest token's counter.
    pub current: i64,
    /// The counter of the token that was exchanged for it; none before the first refresh.
    pub parent: Option<i64>,
    /// When the newest token was issued.
    pub rotated_at: Timestamp,
    /// How often in a row the parent came back late.
    pub reissues: i64,
}

/// What becomes of a presented token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Issue the next token: the line becomes `next`.
    Rotate {
        /// The line afterwards.
        next: Line,
        /// The presented token was newer than the row: the database lost a suffix. Worth an audit entry.
        fast_forward: bool,
    },
    /// Hand out the current token again, byte for byte. Nothing is written.
    Repeat,
    /// Issue a new successor that voids the unused one.
    Reissue {
        /// The line afterwards.
        next: Line,
    },
    /// Refuse; nothing is ended.
    Superseded,
    /// End the session.
    Reuse,
}

impl Line {
    /// The line of a session that was just opened.
    pub fn start(now: Timestamp) -> Self {
        Self {
            current: 0,
            parent: None,
            rotated_at: now,
            reissues: 0,
        }
    }
}

/// Decides on a presented counter. `window` is the time in which the same successor is handed out again.
pub fn decide(line: &Line, presented: i64, now: Timestamp, window: SignedDuration) -> Decision {
    // A clock that stepped back makes this negative, which counts as soon: the milder side.
    let soon = now.duration_since(line.rotated_at) <= window;
    if presented >= line.current {
        let next = Line {
            current: presented.saturating_add(1),
            parent: Some(presented),
            rotated_at: now,
            reissues: 0,
        };
        return Decision::Rotate {
            next,
            fast_forward: presented > line.current,
        };
    }
    match (line.parent == Some(presented), soon) {
        (true, true) => Decision::Repeat,
        (true, false) if line.reissues < MAX_REISSUES => Decision::Reissue {
            next: Line {
                current: line.current + 1,
                rotated_at: now,
                reissues: line.reissues + 1,
                ..*line
            },
        },
        (false, true) => Decision::Superseded,
        (_, false) => Decision::Reuse,
    }
}

#[cfg(test)]
mod tests;
