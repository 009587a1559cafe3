//! Tests concurrent requests that are spread over the nodes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tm_auth_proto::ErrorCode;
use tm_auth_testing::history::Checker;
use tm_auth_testing::ledger::RetryingClient;
use tm_auth_testing::three_nodes::ThreeNodes;
use tokio::task::JoinSet;

use super::{SETTINGS, apis, binary, bots, node_urls, owner};

/// The number of rotations in the race of refreshes.
const REFRESHES: i64 = 200;
/// The number of concurrent refreshes of one token. Twice as many mints use one challenge at once.
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_j08_fifty_refreshes_at_once_over_three_nodes_have_one_order_and_one_successor() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let bot = bots(&nodes, &owner(&nodes), 1).await.remove(0);
    let client = Arc::new(RetryingClient::new(&node_urls(&nodes)));
    let (mut held, _) = client.mint(&bot).await.expect("the mint succeeds");
    for counter in 1..=REFRESHES {
        let mut tasks = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (client, held) = (Arc::clone(&client), held.clone());
            tasks.spawn(async move { client.refresh(&held).await.expect("the refresh succeeds") });
        }
        let successors = tasks.join_all().await;
        held = successors[0].clone();
        assert_eq!(held.counter, counter);
        assert!(
            successors.iter().all(|successor| *successor == held),
            "counter {counter}"
        );
    }
    let history = client.history();
    assert_eq!(
        history.len(),
        1 + usize::try_from(REFRESHES).expect("the number is small") * AT_ONCE
    );
    let summary = Checker::default()
        .check(&history)
        .unwrap_or_else(|violation| panic!("{violation}"));
    println!("{summary:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d09_a_challenge_sent_to_all_nodes_opens_one_session() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let bot = bots(&nodes, &owner(&nodes), 1).await.remove(0);
    let apis = apis(&nodes);
    let mut opened = BTreeSet::new();
    for round in 0..10 {
        let challenge = Arc::new(bot.challenge());
        let mut tasks = JoinSet::new();
        for api in apis.iter().cycle().skip(round).take(2 * AT_ONCE) {
            let (api, challenge) = (api.clone(), Arc::clone(&challenge));
            tasks.spawn(async move { api.mint(&challenge).await });
        }
        let mut answers = tasks.join_all().await;
        // Then send it to each node once more.
        for api in &apis {
            answers.push(api.mint(&challenge).await);
        }
        let (minted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((minted.len(), refused.len()), (1, 2 * AT_ONCE + 2));
        for error in refused.into_iter().filter_map(Result::err) {
            assert_eq!(
                (error.status(), error.code(), error.retry_after()),
                (Some(401), Some(ErrorCode::Replayed), Some(Duration::from_secs(1)))
            );
        }
        let tokens = minted
            .into_iter()
            .find_map(Result::ok)
            .expect("one mint succeeded");
        assert!(opened.insert(tokens.refresh_token));
    }
}
