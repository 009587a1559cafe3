//! Waiting for background work of a node, such as reading changes made by another node.

use std::time::{Duration, Instant};

/// Retries `ask` until it returns `Some`. Panics after 30 seconds.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the expected change did not happen within 30 seconds"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
