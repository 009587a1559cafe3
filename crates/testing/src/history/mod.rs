//! Recorded histories of rotations, and their judge.
//!
//! 1. Clients of any number of nodes note every call in one [`Recorder`]: when it began, what it asked, when its
//!    answer was read, and what that was. "When" is an index from one shared counter, since clocks of several
//!    threads do not order events. A call without an answer is noted as such: it may have taken effect at any
//!    moment after it began, or never.
//! 2. [`Judge::check`] first holds the whole against rules that need no search ([`invariants`]): one token per
//!    counter, nothing issued after a revocation.
//! 3. Then it takes each session by itself and looks for one order of its calls that agrees with real time (a
//!    call whose answer was read before another began comes before it) and in which the rule of
//!    `tm_auth_core`, applied to one row, gives every answer that was read ([`model`], [`search`]). If there is
//!    one, the nodes behaved as one register would have (linearizability).
//!
//! Time: each call carries the instant that the rule was to be applied at. Where a test hands that instant to
//! the service, it is exact. In a run by the wall clock nobody knows it exactly, so such a run stays well within
//! the 90 s in which the rule cannot change, and records one instant for all of its calls.
//!
//! What is not judged: person sessions, keys that end or are disabled on the way, allowed addresses.

mod checker;
pub mod invariants;
pub mod model;
mod recorder;
pub mod search;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use tm_auth_proto::{ErrorCode, KeyId, SessionId};

pub use checker::{Judge, Summary, Violation};
pub use recorder::{Pending, Recorder};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A session was to be opened.
    Mint {
        /// With this key.
        key: KeyId,
    },
    /// A refresh token was presented.
    Refresh {
        /// Its session.
        session: SessionId,
        /// Its counter.
        counter: i64,
    },
    /// A session was to be ended by its holder.
    EndSession {
        /// The session.
        session: SessionId,
    },
    /// A key was to be revoked, and all of its sessions with it.
    RevokeKey {
        /// The key.
        key: KeyId,
    },
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Tokens.
    Issued {
        /// The session, of which a mint learns only here.
        session: SessionId,
        /// The refresh token's counter.
        counter: i64,
        /// The refresh token, byte for byte.
        token: String,
    },
    /// The session is ended, the key revoked.
    Done,
    /// A refusal that the rule decided. One that decided nothing (429) is not to be recorded at all.
    Refused(ErrorCode),
    /// No answer, or one of "cannot now" (503): it may have taken effect, may still, or never will.
    Unknown,
}

/// A call and its answer.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its index among all beginnings and endings.
    pub began: u64,
    /// Likewise; none where the answer is unknown.
    pub ended: Option<u64>,
    /// The instant that the rule was to be applied at. Whole milliseconds, as the store keeps.
    pub now: Timestamp,
    /// What was asked.
    pub call: Call,
    /// What came back.
    pub answer: Answer,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended {
            Some(ended) => write!(f, "[{:>4}, {ended:>4}] ", self.began)?,
            None => write!(f, "[{:>4},  ...] ", self.began)?,
        }
        match self.call {
            Call::Mint { key } => write!(f, "mint with key {}", key.short())?,
            Call::Refresh { counter, .. } => write!(f, "refresh({counter})")?,
            Call::EndSession { .. } => f.write_str("end session")?,
            Call::RevokeKey { key } => write!(f, "revoke key {}", key.short())?,
        }
        write!(f, " at {} -> {}", self.now, self.answer)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued { counter, .. } => write!(f, "issued {counter}"),
            Self::Done => f.write_str("done"),
            Self::Refused(code) => write!(f, "{code}"),
            Self::Unknown => f.write_str("no answer"),
        }
    }
}
