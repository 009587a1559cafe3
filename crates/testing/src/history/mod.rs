//! Records histories of refresh token rotations and checks that they are linearizable.
//!
//! 1. Clients of any number of nodes record every call in one [`Recorder`]: the call, its answer,
//!    and when it began and ended. These times are indexes from one shared counter, since clocks do
//!    not order the events of several threads. A call without an answer may have taken effect at any
//!    time after it began, or never.
//! 2. [`Checker::check`] first checks the rules that need no search ([`invariants`]), such as one
//!    token per counter.
//! 3. Then it searches, for each session, an order of the calls that explains every answer
//!    ([`search`]). The order must agree with real time: a call that ended before another began
//!    comes first. The answers must be those of the rules of `tm_auth_core`, applied to one row
//!    ([`model`]). If there is such an order, the nodes behaved like one register
//!    (linearizability).
//!
//! Each call has the instant at which the service applied the rules. It is exact if the test sets
//! the clock of the service. In a run by the wall clock it is unknown. Such a run records one instant
//! for all of its calls. This is correct only if no client presents a token later than the reuse
//! grace period (90 s) after its exchange, since the rules do not depend on time before that.
//!
//! Not checked: user sessions, keys that expire or are disabled during the run, allowed addresses.

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

pub use checker::{Checker, Summary, Violation};
pub use recorder::{Pending, Recorder};

/// A call to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Opens a session.
    Mint {
        /// The API key.
        key: KeyId,
    },
    /// Presents a refresh token.
    Refresh {
        /// The token's session.
        session: SessionId,
        /// The token's counter.
        counter: i64,
    },
    /// Ends a session with its refresh token.
    EndSession {
        /// The session.
        session: SessionId,
    },
    /// Revokes a key, and with it all of its sessions.
    RevokeKey {
        /// The key.
        key: KeyId,
    },
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Tokens.
    Issued {
        /// The session; a mint learns it only here.
        session: SessionId,
        /// The refresh token's counter.
        counter: i64,
        /// The refresh token, byte for byte.
        token: String,
    },
    /// The session was ended, or the key revoked.
    Done,
    /// A refusal by the rules. Do not record a refusal without a decision, such as 429.
    Refused(ErrorCode),
    /// No answer, or 5xx: the call may have taken effect, may still do so, or never will.
    Unknown,
}

/// A call and its answer.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The index of its beginning among all beginnings and ends.
    pub began: u64,
    /// The index of its end; `None` if the answer is unknown.
    pub ended: Option<u64>,
    /// The instant at which the rules applied, in whole milliseconds like the store's.
    pub now: Timestamp,
    /// The call.
    pub call: Call,
    /// The answer.
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
