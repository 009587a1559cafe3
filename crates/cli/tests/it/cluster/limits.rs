//! Tests the rate limits of three nodes.

use tm_auth_client::ApiError;
use tm_auth_testing::three_nodes::ThreeNodes;

use super::{SETTINGS, apis, binary, bots, owner};

/// The number of mints per key and minute that each node allows.
const PER_MINUTE: usize = 12;

/// As documented in `docs/OPERATIONS.md`, each node counts for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_a_rate_limit_is_per_node_so_three_nodes_allow_three_times_as_much() {
    let limit = PER_MINUTE.to_string();
    let lower_limit = [("LIMITS__MINTS_PER_KEY_PER_MINUTE", limit.as_str())];
    let nodes = ThreeNodes::start(binary(), &[&SETTINGS[..], &lower_limit].concat());
    let bot = bots(&nodes, &owner(&nodes), 1).await.remove(0);
    for node in apis(&nodes) {
        let mut minted = 0;
        let refused: ApiError = loop {
            match node.mint(&bot.challenge()).await {
                Ok(_) => minted += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.status(), Some(429));
        assert!(refused.retry_after().is_some());
        // During the test, the limit may refill by one or two mints.
        assert!((PER_MINUTE..=PER_MINUTE + 2).contains(&minted), "{minted}");
    }
}
