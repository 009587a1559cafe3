//! The queue of the mail server: bounded, and ordered by due time.
//!
//! A mail counts as held from [`Queue::put`] until its outcome is decided. This includes the
//! attempts and the time between them, so that an unreachable server cannot exhaust memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::Message;

/// The most mails held at a time.
pub(super) const CAPACITY: usize = 1000;

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// One permit is enough: a worker that takes a mail wakes the next worker.
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// By due time; the number keeps mails with the same due time in order.
    waiting: BTreeMap<(Instant, u64), Message>,
    held: usize,
    next: u64,
    is_closed: bool,
}

impl State {
    fn wait(&mut self, message: Message, due: Instant) {
        self.waiting.insert((due, self.next), message);
        self.next += 1;
    }
}

/// The queue is full.
pub(super) struct Full;

/// A mail that a worker has taken. It is held until this is dropped.
pub(super) struct Taken {
    queue: Arc<Queue>,
    pub(super) message: Message,
}

impl Queue {
    pub(super) fn put(&self, message: Message) -> Result<(), Full> {
        let mut state = self.state();
        if state.held >= CAPACITY {
            return Err(Full);
        }
        state.held += 1;
        state.wait(message, Instant::now());
        crate::metrics::mail_held(state.held);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Waits for the next mail that is due. `None` if the queue is closed and empty.
    pub(super) async fn next(self: &Arc<Self>) -> Option<Taken> {
        loop {
            let due = {
                let mut state = self.state();
                let first = state.waiting.first_key_value().map(|((due, _), _)| *due);
                match first {
                    Some(due) if state.is_closed || due <= Instant::now() => {
                        let (_, message) = state.waiting.pop_first()?;
                        self.wake.notify_one();
                        let queue = Arc::clone(self);
                        return Some(Taken { queue, message });
                    }
                    None if state.is_closed => {
                        self.wake.notify_one();
                        return None;
                    }
                    due => due,
                }
            };
            let woken = self.wake.notified();
            match due {
                Some(due) => drop(tokio::time::timeout_at(due, woken).await),
                None => woken.await,
            }
        }
    }

    /// Makes every mail due now, for one last attempt each.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.wake.notify_one();
    }

    pub(super) fn held(&self) -> usize {
        self.state().held
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding it")
    }
}

impl Taken {
    /// Puts the mail back for another attempt. Returns `false` if the queue is closed.
    pub(super) fn retry(&self, after: Duration) -> bool {
        let mut state = self.queue.state();
        if state.is_closed {
            return false;
        }
        state.held += 1;
        state.wait(self.message.clone(), Instant::now() + after);
        drop(state);
        self.queue.wake.notify_one();
        true
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.held -= 1;
        crate::metrics::mail_held(state.held);
    }
}
