//! Waiting for what another process does: it sends no event, so it is asked again and again.

use std::time::{Duration, Instant};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer; panics with `what` when there is none in time.
#[allow(
    clippy::disallowed_methods,
    reason = "another process cannot wake this one; only the pause between two questions is slept"
)]
pub(crate) fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let asked_first = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            asked_first.elapsed() < deadline,
            "{what}: not within {deadline:?}"
        );
        std::thread::sleep(PAUSE);
    }
}
