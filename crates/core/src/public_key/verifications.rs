//! Counts signature verifications, so that tests can compare the work of two requests.

use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// How many signatures this thread has verified with a [`PublicKey`](super::PublicKey).
pub fn of_this_thread() -> u64 {
    COUNT.get()
}

pub(super) fn count() {
    COUNT.set(COUNT.get() + 1);
}
