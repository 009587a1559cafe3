//! Checks a whole history.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use tm_auth_core::session::SessionLifetimes;
use tm_auth_proto::SessionId;

use super::invariants;
use super::model::Model;
use super::search::{Counterexample, SearchResult, search};
use super::{Answer, Call, Operation};

/// Checks histories of a service with these session lifetimes.
#[derive(Clone, Copy, Debug)]
pub struct Checker {
    /// The service's session lifetimes.
    pub lifetimes: SessionLifetimes,
    /// The number of configurations to visit per session before giving up. A configuration takes a
    /// few hundred bytes.
    pub budget: usize,
}

/// The size of a history that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of sessions opened.
    pub sessions: usize,
    /// The number of calls, including those without an answer.
    pub operations: usize,
    /// The number of calls without an answer.
    pub unknown: usize,
    /// The number of configurations visited.
    pub configurations: usize,
}

/// Why a history failed. `Display` shows the calls that violate the rules.
#[derive(Debug)]
pub enum Violation {
    /// Not a history: a call ended before it began, has an end but no answer or an answer but no
    /// end, or its session was never opened.
    NotAHistory(Box<Operation>),
    /// A refresh issued tokens of another session.
    OtherSession(Box<Operation>),
    /// Two tokens have the same counter.
    TwoTokens(Box<[Operation; 2]>),
    /// One presented token got two successors within the reuse grace period, and no call presented
    /// the token from which the newer successor was issued.
    TwoSuccessors(Box<[Operation; 2]>),
    /// The second call was issued tokens, although it began after the answer to the first had shown
    /// that the session was ended or the key revoked.
    AfterRevocation(Box<[Operation; 2]>),
    /// No order of this session's calls explains their answers.
    NotLinearizable(SessionId, Box<Counterexample>),
    /// The search did not end within the budget. This is not a pass.
    Undecided(SessionId, usize),
}

impl Default for Checker {
    /// The service's default lifetimes, and a budget that fits into a gigabyte.
    fn default() -> Self {
        let lifetimes = SessionLifetimes {
            idle: SignedDuration::from_hours(30 * 24),
            absolute: SignedDuration::from_hours(365 * 24),
            reuse_grace: SignedDuration::from_secs(90),
        };
        Self {
            lifetimes,
            budget: 1_000_000,
        }
    }
}

impl Checker {
    /// Checks a whole history. The operations may be in any order.
    pub fn check(&self, operations: &[Operation]) -> Result<Summary, Violation> {
        let mut operations = operations.to_vec();
        operations.sort_by_key(|operation| operation.began);
        let sessions = by_session(&operations)?;
        invariants::check(&operations, self.lifetimes.reuse_grace)?;
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
            match search(&Model::new(opened.now, self.lifetimes), &calls, self.budget) {
                SearchResult::Linearizable { configurations } => summary.configurations += configurations,
                SearchResult::NotLinearizable(counterexample) => {
                    return Err(Violation::NotLinearizable(session, counterexample));
                }
                SearchResult::Undecided => return Err(Violation::Undecided(session, self.budget)),
            }
        }
        Ok(summary)
    }
}

/// The mint of each session, and the other calls that can change it: refreshes, ends, and
/// revocations of its key.
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
        let invalid = || Violation::NotAHistory(Box::new(operation.clone()));
        let answered = operation.answer != Answer::Unknown;
        if operation.ended.is_some() != answered
            || operation.ended.is_some_and(|ended| ended <= operation.began)
        {
            return Err(invalid());
        }
        match operation.call {
            Call::Mint { .. } => {}
            Call::Refresh { session, .. } | Call::EndSession { session } => {
                let (_, calls) = sessions.get_mut(&session).ok_or_else(invalid)?;
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
            Self::NotAHistory(operation) => write!(f, "not a valid history:\n  {operation}"),
            Self::OtherSession(operation) => {
                write!(f, "a refresh issued tokens of another session:\n  {operation}")
            }
            Self::TwoTokens(two) => {
                write!(f, "two tokens have the same counter:\n  {}\n  {}", two[0], two[1])
            }
            Self::TwoSuccessors(two) => {
                write!(f, "one token has two successors:\n  {}\n  {}", two[0], two[1])
            }
            Self::AfterRevocation(two) => {
                write!(
                    f,
                    "tokens were issued after a revocation:\n  {}\n  {}",
                    two[0], two[1]
                )
            }
            Self::NotLinearizable(session, counterexample) => {
                write!(
                    f,
                    "no order explains the answers of session {session}.{counterexample}"
                )
            }
            Self::Undecided(session, budget) => write!(
                f,
                "undecided: the search for session {session} did not end within {budget} configurations"
            ),
        }
    }
}

impl std::error::Error for Violation {}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nThe longest order found:")?;
        for operation in &self.placed {
            write!(f, "\n  {operation}")?;
        }
        let family = &self.state.family;
        write!(
            f,
            "\nThe row is then at {}, parent {:?}, rotated at {}, {} reissues, burst from {} at {}, \
             ended {:?}, key revoked {}.\
             \nOne of these must come next, but no order explains all of them:",
            family.current,
            family.parent,
            family.rotated_at,
            family.reissue_count,
            family.burst_oldest,
            family.burst_began_at,
            self.state.ended,
            self.state.key_revoked
        )?;
        for operation in &self.next {
            write!(f, "\n  {operation}")?;
        }
        write!(f, "\n{} more answered calls follow", self.later)
    }
}
