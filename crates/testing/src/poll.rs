//! Polls for what another process does, since that process cannot notify this one.

use std::time::{Duration, Instant};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Polls until `ask` returns a value. Panics with `what` if it does not within `deadline`.
#[allow(
    clippy::disallowed_methods,
    reason = "another process cannot notify this one; the sleep only spaces the attempts"
)]
pub(crate) fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "{what}: not within {deadline:?}");
        std::thread::sleep(PAUSE);
    }
}
