//! The two loops that keep the copies fresh. Each ends with the last verifier, which aborts it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::key_cache::KeyCache;
use crate::revocation_feed::RevocationFeed;

pub(crate) async fn refresh_keys(keys: Arc<KeyCache>) {
    // Whoever built the verifier may have got the keys meanwhile.
    keys.refresh_unless_cooling_down().await;
    loop {
        sleep(jitter(keys.time_to_next_refresh().await)).await;
        // The outcome is in log and metrics; the next wait depends on it.
        keys.refresh().await.ok();
    }
}

pub(crate) async fn poll_revocations(feed: Arc<RevocationFeed>, interval: Duration) {
    loop {
        feed.poll().await.ok();
        sleep(jitter(interval)).await;
    }
}

/// Less or more by up to a tenth, so that verifiers which were started together do not ask together.
fn jitter(interval: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness the verifiers ask together, which is no reason to stop.
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
    fn an_interval_varies_by_a_tenth() {
        let interval = Duration::from_secs(10);
        assert_eq!(jitter_by(interval, 0), Duration::from_secs(9));
        assert_eq!(jitter_by(interval, 255), Duration::from_secs(11));
        let middle = jitter_by(interval, 127);
        assert!(middle > Duration::from_millis(9_990) && middle < Duration::from_millis(10_010));
    }
}
