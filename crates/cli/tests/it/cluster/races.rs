//! Many at once, each asking another node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tm_auth_proto::ErrorCode;
use tm_auth_testing::history::Judge;
use tm_auth_testing::ledger::Caller;
use tm_auth_testing::three_nodes::ThreeNodes;
use tokio::task::JoinSet;

use super::{SETTINGS, apis, binary, bots, node_urls, owner};

const GENERATIONS: i64 = 200;
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_j08_fifty_refreshes_at_once_over_three_nodes_have_one_order_and_one_successor() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let bot = bots(&nodes, &owner(&nodes), 1).await.remove(0);
    let caller = Arc::new(Caller::new(&node_urls(&nodes)));
    let (mut held, _) = caller.mint(&bot).await.expect("it mints");
    for generation in 1..=GENERATIONS {
        let mut tasks = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (caller, held) = (Arc::clone(&caller), held.clone());
            tasks.spawn(async move { caller.refresh(&held).await.expect("nothing is ended") });
        }
        let successors = tasks.join_all().await;
        held = successors[0].clone();
        assert_eq!(held.counter, generation);
        // Byte for byte.
        assert!(
            successors.iter().all(|successor| *successor == held),
            "{generation}"
        );
    }
    let history = caller.history();
    assert_eq!(
        history.len(),
        1 + usize::try_from(GENERATIONS).expect("small") * AT_ONCE
    );
    let summary = Judge::default()
        .check(&history)
        .unwrap_or_else(|found| panic!("{found}"));
    println!("{summary:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d09_a_challenge_opens_one_session_whichever_nodes_are_asked() {
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
        // And once more on each node when it is over.
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
        let tokens = minted.into_iter().find_map(Result::ok).expect("one");
        assert!(opened.insert(tokens.refresh_token));
    }
}
