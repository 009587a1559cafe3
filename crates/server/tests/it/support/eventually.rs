//! Waiting for what a node does by itself, such as learning what another one changed.

use std::time::{Duration, Instant};

/// Asks again and again, and gives up after far longer than it may take.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
