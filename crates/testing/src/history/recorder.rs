//! Records calls while they happen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::{Answer, Call, Operation};

/// The record of one run, shared by all of its clients.
#[derive(Debug, Default)]
pub struct Recorder {
    events: AtomicU64,
    operations: Mutex<Vec<Operation>>,
}

/// A call in flight. If it is dropped without an answer, for example because its task was
/// cancelled, it is recorded as [`Answer::Unknown`].
#[derive(Debug)]
#[must_use]
pub struct Pending<'a> {
    recorder: &'a Recorder,
    /// `None` once it is recorded.
    operation: Option<Operation>,
}

impl Recorder {
    /// Records the start of a call. Call this before the first byte is sent.
    pub fn begin(&self, now: Timestamp, call: Call) -> Pending<'_> {
        let operation = Operation {
            began: self.next_event(),
            ended: None,
            now,
            call,
            answer: Answer::Unknown,
        };
        Pending {
            recorder: self,
            operation: Some(operation),
        }
    }

    /// The calls recorded so far, in the order in which they began. Calls in flight are missing, so
    /// wait for them first.
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = self.lock().clone();
        operations.sort_by_key(|operation| operation.began);
        operations
    }

    /// `SeqCst` gives the events of all threads one total order.
    fn next_event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending<'_> {
    /// Records the answer. Call this after the last byte was read.
    pub fn end(mut self, answer: Answer) {
        if let Some(mut operation) = self.operation.take() {
            operation.ended = (answer != Answer::Unknown).then(|| self.recorder.next_event());
            operation.answer = answer;
            self.recorder.lock().push(operation);
        }
    }

    /// Removes a call that certainly had no effect, such as one answered with 429.
    pub fn forget(mut self) {
        self.operation = None;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(operation) = self.operation.take() {
            self.recorder.lock().push(operation);
        }
    }
}
