//! Tests of the recorder and of the checker: histories that must fail, histories that must pass, and
//! random ones.

mod fail;
mod pass;
mod random;
mod recorder;

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::model::Model;
use super::search::{SearchResult, search};
use super::*;

const KEY: KeyId = KeyId(Uuid::from_u128(0x6b));
const SESSION: SessionId = SessionId(Uuid::from_u128(0x5e));
const OTHER: SessionId = SessionId(Uuid::from_u128(0x07e));

/// A history written by hand. It starts with a mint at second 0, from event 0 to event 1.
#[derive(Clone)]
struct Script {
    operations: Vec<Operation>,
    session: SessionId,
    seconds: i64,
}

impl Script {
    fn new() -> Self {
        let script = Self {
            operations: Vec::new(),
            session: SESSION,
            seconds: 0,
        };
        script.call(0..1, Call::Mint { key: KEY }, issued(0))
    }

    /// Mints another session of the same key. The calls that follow belong to it.
    fn other_session(mut self, events: Range<u64>) -> Self {
        self.session = OTHER;
        self.call(events, Call::Mint { key: KEY }, issued(0))
    }

    /// Sets the time of the calls that follow.
    fn at(mut self, seconds: i64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Adds a call that begins and ends at these events. Without an answer (`Unknown`) it has no
    /// end.
    fn call(mut self, events: Range<u64>, call: Call, mut answer: Answer) -> Self {
        if let Answer::Issued { session, .. } = &mut answer {
            *session = self.session;
        }
        self.operations.push(Operation {
            began: events.start,
            ended: (answer != Answer::Unknown).then_some(events.end),
            now: at(self.seconds),
            call,
            answer,
        });
        self
    }

    fn refresh(self, events: Range<u64>, counter: i64, answer: Answer) -> Self {
        let session = self.session;
        self.call(events, Call::Refresh { session, counter }, answer)
    }

    /// Adds a refresh whose answer was lost.
    fn lost(self, began: u64, counter: i64) -> Self {
        self.refresh(began..began, counter, Answer::Unknown)
    }

    fn end(self, events: Range<u64>, answer: Answer) -> Self {
        let session = self.session;
        self.call(events, Call::EndSession { session }, answer)
    }

    fn revoke(self, events: Range<u64>, answer: Answer) -> Self {
        self.call(events, Call::RevokeKey { key: KEY }, answer)
    }

    /// Checks that the checker accepts the history.
    fn passes(&self) -> Summary {
        Checker::default()
            .check(&self.operations)
            .unwrap_or_else(|violation| panic!("{violation}"))
    }

    /// Checks that the checker rejects the history.
    fn fails(&self) -> Violation {
        let verdict = Checker::default().check(&self.operations);
        verdict.expect_err("no correct service answers like this")
    }

    /// Checks that the search alone, without the invariants, rejects the history. Returns its
    /// explanation.
    fn is_not_linearizable(&self) -> String {
        let SearchResult::NotLinearizable(counterexample) = search_alone(&self.operations) else {
            panic!("no correct service answers like this");
        };
        counterexample.to_string()
    }
}

/// Runs the search alone on a session opened at second 0.
fn search_alone(operations: &[Operation]) -> SearchResult {
    let calls: Vec<Operation> = operations
        .iter()
        .filter(|operation| !matches!(operation.call, Call::Mint { .. }))
        .cloned()
        .collect();
    let checker = Checker::default();
    search(&Model::new(at(0), checker.lifetimes), &calls, checker.budget)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + seconds)
}

fn issued(counter: i64) -> Answer {
    Answer::Issued {
        session: SESSION,
        counter,
        token: format!("token {counter}"),
    }
}

fn refused(code: ErrorCode) -> Answer {
    Answer::Refused(code)
}
