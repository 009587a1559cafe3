//! Polls for the effect of another process, since that process cannot notify this one.

use std::time::{Duration, Instant};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Polls `ask` until it returns a value. Panics if that takes longer than `deadline`; `what` names
/// the expected event in the message.
#[allow(
    clippy::disallowed_methods,
    reason = "another process cannot notify this one; the sleep only spaces the attempts"
)]
pub fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "{what}: not within {deadline:?}");
        std::thread::sleep(PAUSE);
    }
}
