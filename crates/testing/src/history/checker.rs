//! The verdict on a whole history.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use tm_auth_core::session::Lives;
use tm_auth_proto::SessionId;

use super::invariants;
use super::model::Model;
use super::search::{Found, Stuck, search};
use super::{Answer, Call, Operation};

/// Judges histories of a service whose sessions live this long.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    /// The service's own.
    pub lives: Lives,
    /// Configurations to look at per session before giving up. A configuration takes a few hundred bytes.
    pub budget: usize,
}

/// What a history that holds was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sessions opened.
    pub sessions: usize,
    /// Calls, those without an answer included.
    pub operations: usize,
    /// Calls without an answer.
    pub unknown: usize,
    /// Configurations looked at.
    pub configurations: usize,
}

/// Why a history does not hold. `Display` is for whoever has to find the cause.
#[derive(Debug)]
pub enum Violation {
    /// It is none: a call ended before it began, or its session was never opened.
    NotAHistory(Box<Operation>),
    /// Tokens of another session.
    OtherSession(Box<Operation>),
    /// One counter, two tokens.
    TwoTokens(Box<[Operation; 2]>),
    /// One presented token, two successors, within the time in which it can have but one.
    TwoSuccessors(Box<[Operation; 2]>),
    /// Tokens were issued to a call that began after the first of these told that the session or key is over.
    AfterRevocation(Box<[Operation; 2]>),
    /// No order of this session's calls explains the answers.
    NoOrder(SessionId, Box<Stuck>),
    /// Whether there is an order could not be found out within the budget. Not a pass.
    Undecided(SessionId, usize),
}

impl Default for Judge {
    /// The service's defaults, and a budget that fits into a gigabyte.
    fn default() -> Self {
        let lives = Lives {
            idle: SignedDuration::from_hours(30 * 24),
            absolute: SignedDuration::from_hours(365 * 24),
            same_successor: SignedDuration::from_secs(90),
        };
        Self {
            lives,
            budget: 1_000_000,
        }
    }
}

impl Judge {
    /// Judges a whole history, in any order.
    pub fn check(&self, operations: &[Operation]) -> Result<Summary, Violation> {
        let mut operations = operations.to_vec();
        operations.sort_by_key(|operation| operation.began);
        let sessions = by_session(&operations)?;
        invariants::check(&operations, self.lives.same_successor)?;
        let mut summary = Summary {
            sessions: sessions.len(),
            operations: operations.len(),
            unknown: operations
                .iter()
                .filter(|operation| operation.answer == Answer::Unknown)
                .count(),
            configurations: 0,
        };
        for (session, (opened, calls)) in sessions {
            match search(&Model::new(opened.now, self.lives), &calls, self.budget) {
                Found::Order { configurations } => summary.configurations += configurations,
                Found::NoOrder(stuck) => return Err(Violation::NoOrder(session, stuck)),
                Found::Undecided => return Err(Violation::Undecided(session, self.budget)),
            }
        }
        Ok(summary)
    }
}

/// The opening of each session, and the calls that its row answers: those of the session and of its key.
fn by_session(
    operations: &[Operation],
) -> Result<BTreeMap<SessionId, (Operation, Vec<Operation>)>, Violation> {
    let mut sessions: BTreeMap<SessionId, (Operation, Vec<Operation>)> = BTreeMap::new();
    for operation in operations {
        if let (Call::Mint { .. }, Answer::Issued { session, .. }) = (operation.call, &operation.answer) {
            sessions.insert(*session, (operation.clone(), Vec::new()));
        }
    }
    let keys = invariants::keys(operations);
    for operation in operations {
        let nonsense = || Violation::NotAHistory(Box::new(operation.clone()));
        let answered = operation.answer != Answer::Unknown;
        if operation.ended.is_some() != answered
            || operation.ended.is_some_and(|ended| ended <= operation.began)
        {
            return Err(nonsense());
        }
        match operation.call {
            Call::Mint { .. } => {}
            Call::Refresh { session, .. } | Call::EndSession { session } => {
                let (_, calls) = sessions.get_mut(&session).ok_or_else(nonsense)?;
                calls.push(operation.clone());
            }
            Call::RevokeKey { key } => {
                for (session, (_, calls)) in &mut sessions {
                    if keys.get(session) == Some(&key) {
                        calls.push(operation.clone());
                    }
                }
            }
        }
    }
    Ok(sessions)
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAHistory(operation) => write!(f, "this cannot be part of a history:\n  {operation}"),
            Self::OtherSession(operation) => write!(f, "tokens of another session:\n  {operation}"),
            Self::TwoTokens(two) => write!(f, "one counter, two tokens:\n  {}\n  {}", two[0], two[1]),
            Self::TwoSuccessors(two) => {
                write!(f, "one token, two successors:\n  {}\n  {}", two[0], two[1])
            }
            Self::AfterRevocation(two) => {
                write!(f, "issued after it was over:\n  {}\n  {}", two[0], two[1])
            }
            Self::NoOrder(session, stuck) => {
                write!(f, "no order explains the answers of session {session}.{stuck}")
            }
            Self::Undecided(session, budget) => write!(
                f,
                "undecided: session {session} has no verdict after {budget} configurations"
            ),
        }
    }
}

impl std::error::Error for Violation {}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nexplained, in this order:")?;
        for operation in &self.placed {
            write!(f, "\n  {operation}")?;
        }
        let line = &self.state.line;
        write!(
            f,
            "\nthe row is then at {}, parent {:?}, rotated at {}, {} reissues, ended {:?}, key revoked {}; of these, \
             of which one must come next, not all can be explained:",
            line.current,
            line.parent,
            line.rotated_at,
            line.reissues,
            self.state.ended,
            self.state.key_revoked
        )?;
        for operation in &self.next {
            write!(f, "\n  {operation}")?;
        }
        write!(f, "\n{} answers come later", self.later)
    }
}
