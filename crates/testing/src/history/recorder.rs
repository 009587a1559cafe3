//! Notes calls as they happen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::{Answer, Call, Operation};

/// The notes of one run, shared by all of its clients.
#[derive(Debug, Default)]
pub struct Recorder {
    events: AtomicU64,
    operations: Mutex<Vec<Operation>>,
}

/// A call on its way. Dropped without an answer (its task was cancelled, say) it is noted as
/// [`Answer::Unknown`].
#[derive(Debug)]
#[must_use]
pub struct Pending<'a> {
    recorder: &'a Recorder,
    /// None once it is noted.
    operation: Option<Operation>,
}

impl Recorder {
    /// To be called before the first byte is sent.
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

    /// What was noted so far, in the order in which the calls began. Calls on their way are not among it, so ask
    /// when all have ended.
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = self.lock().clone();
        operations.sort_by_key(|operation| operation.began);
        operations
    }

    // One total order over all threads.
    fn next_event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending<'_> {
    /// To be called after the last byte was read.
    pub fn end(mut self, answer: Answer) {
        if let Some(mut operation) = self.operation.take() {
            operation.ended = (answer != Answer::Unknown).then(|| self.recorder.next_event());
            operation.answer = answer;
            self.recorder.lock().push(operation);
        }
    }

    /// It was answered that nothing was decided, and nothing was: the call is not part of the history.
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
