//! Checks the rules that need no search. Their violations are easier to read than those of the
//! search.
//!
//! 1. A refresh issues tokens of the session whose token was presented.
//! 2. A session has one token per counter, byte for byte.
//! 3. If all calls of a session lie within the reuse grace period, a token has two successors only
//!    if some call presented the token just below the newer successor.
//! 4. No tokens are issued to a call that began after a revocation was known. A revocation is known
//!    once it was acknowledged, or once a call was refused because of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::{ErrorCode, KeyId, SessionId};

use super::{Answer, Call, Operation, Violation};

/// Checks all rules. `operations` must be sorted by their beginning.
pub fn check(operations: &[Operation], reuse_grace: SignedDuration) -> Result<(), Violation> {
    tokens_of_the_same_session(operations)?;
    one_token_per_counter(operations)?;
    one_successor_within(reuse_grace, operations)?;
    nothing_after_a_revocation(operations)
}

fn tokens_of_the_same_session(operations: &[Operation]) -> Result<(), Violation> {
    for operation in operations {
        if let (
            Call::Refresh {
                session: presented, ..
            },
            Answer::Issued { session, .. },
        ) = (operation.call, &operation.answer)
            && presented != *session
        {
            return Err(Violation::OtherSession(Box::new(operation.clone())));
        }
    }
    Ok(())
}

fn one_token_per_counter(operations: &[Operation]) -> Result<(), Violation> {
    let mut issued: BTreeMap<(SessionId, i64), &Operation> = BTreeMap::new();
    for operation in operations {
        let Answer::Issued { session, counter, .. } = operation.answer else {
            continue;
        };
        let first = *issued.entry((session, counter)).or_insert(operation);
        if first.answer != operation.answer {
            return Err(Violation::TwoTokens(Box::new([first.clone(), operation.clone()])));
        }
    }
    Ok(())
}

fn one_successor_within(reuse_grace: SignedDuration, operations: &[Operation]) -> Result<(), Violation> {
    let mut spans: BTreeMap<SessionId, (Timestamp, Timestamp)> = BTreeMap::new();
    for operation in operations {
        let Some(session) = session_of(operation) else {
            continue;
        };
        let span = spans.entry(session).or_insert((operation.now, operation.now));
        *span = (span.0.min(operation.now), span.1.max(operation.now));
    }
    let presented: BTreeSet<(SessionId, i64)> = operations
        .iter()
        .filter_map(|operation| match operation.call {
            Call::Refresh { session, counter } => Some((session, counter)),
            _ => None,
        })
        .collect();
    let mut issued: BTreeMap<(SessionId, i64), (i64, &Operation)> = BTreeMap::new();
    for operation in operations {
        let (Call::Refresh { session, counter }, Answer::Issued { counter: new, .. }) =
            (operation.call, &operation.answer)
        else {
            continue;
        };
        let (earliest, latest) = spans[&session];
        let (first_counter, first) = *issued.entry((session, counter)).or_insert((*new, operation));
        let newer = first_counter.max(*new);
        let allowed = first_counter == *new || presented.contains(&(session, newer - 1));
        if latest.duration_since(earliest) <= reuse_grace && !allowed {
            return Err(Violation::TwoSuccessors(Box::new([
                first.clone(),
                operation.clone(),
            ])));
        }
    }
    Ok(())
}

fn nothing_after_a_revocation(operations: &[Operation]) -> Result<(), Violation> {
    let keys = keys(operations);
    // The earliest answer that made the revocation known.
    let mut known: BTreeMap<Subject, &Operation> = BTreeMap::new();
    for operation in operations {
        let subject = match (operation.call, &operation.answer) {
            (Call::RevokeKey { key }, Answer::Done) => Some(Subject::Key(key)),
            (_, Answer::Refused(ErrorCode::KeyRevoked)) => key_of(operation, &keys).map(Subject::Key),
            (Call::EndSession { session }, Answer::Done)
            | (
                Call::Refresh { session, .. },
                Answer::Refused(ErrorCode::SessionEnded | ErrorCode::RefreshReused),
            ) => Some(Subject::Session(session)),
            _ => None,
        };
        if let Some(subject) = subject {
            let first = known.entry(subject).or_insert(operation);
            if operation.ended < first.ended {
                *first = operation;
            }
        }
    }
    for operation in operations {
        if !matches!(operation.answer, Answer::Issued { .. }) {
            continue;
        }
        let subjects = [
            session_of(operation).map(Subject::Session),
            key_of(operation, &keys).map(Subject::Key),
        ];
        for revocation in subjects
            .into_iter()
            .flatten()
            .filter_map(|subject| known.get(&subject))
        {
            if revocation.ended.is_some_and(|known| known < operation.began) {
                return Err(Violation::AfterRevocation(Box::new([
                    (*revocation).clone(),
                    operation.clone(),
                ])));
            }
        }
    }
    Ok(())
}

/// The session or key that a revocation ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Session(SessionId),
    Key(KeyId),
}

/// The key of each session.
pub(super) fn keys(operations: &[Operation]) -> BTreeMap<SessionId, KeyId> {
    operations
        .iter()
        .filter_map(|operation| match (operation.call, &operation.answer) {
            (Call::Mint { key }, Answer::Issued { session, .. }) => Some((*session, key)),
            _ => None,
        })
        .collect()
}

/// The session of a call; `None` for a mint without tokens and for the revocation of a key.
fn session_of(operation: &Operation) -> Option<SessionId> {
    match (operation.call, &operation.answer) {
        (Call::Refresh { session, .. } | Call::EndSession { session }, _) => Some(session),
        (_, Answer::Issued { session, .. }) => Some(*session),
        _ => None,
    }
}

/// The key of a call; `None` if the session's mint is not in the history.
fn key_of(operation: &Operation, keys: &BTreeMap<SessionId, KeyId>) -> Option<KeyId> {
    match operation.call {
        Call::Mint { key } | Call::RevokeKey { key } => Some(key),
        Call::Refresh { session, .. } | Call::EndSession { session } => keys.get(&session).copied(),
    }
}
