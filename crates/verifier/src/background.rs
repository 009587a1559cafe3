//! The two background loops of a verifier. Dropping the last clone of the verifier aborts them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::key_cache::KeyCache;
use crate::revocation_feed::RevocationFeed;

/// Refreshes the keys: step 1 of the [key cache](crate::key_cache).
pub(crate) async fn refresh_keys(keys: Arc<KeyCache>) {
    // The application may already have called `Verifier::refresh`.
    keys.refresh_unless_cooling_down().await;
    loop {
        sleep(jitter(keys.time_to_next_refresh().await)).await;
        // The cache logs and counts the outcome, and the next wait depends on it.
        keys.refresh().await.ok();
    }
}

/// Polls the revocation list: step 1 of the [revocation feed](crate::revocation_feed).
pub(crate) async fn poll_revocations(feed: Arc<RevocationFeed>, interval: Duration) {
    loop {
        feed.poll().await.ok();
        sleep(jitter(interval)).await;
    }
}

/// Varies an interval by up to 10 % either way, so that verifiers that started together do not send
/// their requests together.
fn jitter(interval: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness the intervals are 10 % shorter and do not vary, which is harmless.
    aws_lc_rs::rand::fill(&mut random).ok();
    jitter_by(interval, random[0])
}

fn jitter_by(interval: Duration, random: u8) -> Duration {
    interval * 9 / 10 + interval / 5 * u32::from(random) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_varies_an_interval_by_a_tenth() {
        let interval = Duration::from_secs(10);
        assert_eq!(jitter_by(interval, 0), Duration::from_secs(9));
        assert_eq!(jitter_by(interval, 255), Duration::from_secs(11));
        let middle = jitter_by(interval, 127);
        assert!(middle > Duration::from_millis(9_990) && middle < Duration::from_millis(10_010));
    }
}
