//! What was revoked through one node is dead on every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tm_auth_client::AuthApi;
use tm_auth_proto::{CompactJws, ErrorCode, RevocationList};
use tm_auth_testing::bot::Bot;
use tm_auth_testing::history::{Answer, Call, Judge};
use tm_auth_testing::ledger::{Caller, Held};
use tm_auth_testing::three_nodes::ThreeNodes;
use tokio::task::JoinSet;

use super::{SETTINGS, apis, binary, bots, node_urls, operator, owner};

/// Generous: the machine may be busy. What it took is printed.
const CEILING: Duration = Duration::from_secs(20);
const REVOKED: usize = 12;

/// Mints and refreshes, over all nodes, until it is refused. What it was told goes into the caller's history.
async fn work(caller: Arc<Caller>, bot: Arc<Bot>, busy: Arc<AtomicBool>) -> Option<ErrorCode> {
    loop {
        let mut held: Held = match caller.mint(&bot).await {
            Ok((held, _)) => held,
            Err(error) => return error.code(),
        };
        for _ in 0..5 {
            held = match caller.refresh(&held).await {
                Ok(held) => held,
                Err(error) => return error.code(),
            };
            busy.store(true, Ordering::Relaxed);
        }
    }
}

pub(super) async fn list(api: &AuthApi) -> RevocationList {
    let jws = api.revocations(1 << 20).await.expect("an answer");
    let payload = CompactJws::parse(&jws).expect("a JWS").payload;
    serde_json::from_slice(&payload).expect("a list")
}

/// Waits until each node's list says so. Returns how long the slowest took.
async fn listed_everywhere(apis: &[AuthApi], says: impl Fn(&RevocationList) -> bool) -> Duration {
    let acknowledged = Instant::now();
    for api in apis {
        while !says(&list(api).await) {
            assert!(acknowledged.elapsed() < CEILING, "it is not on the list");
            tokio::task::yield_now().await;
        }
    }
    acknowledged.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_e10_a_revocation_acknowledged_by_one_node_holds_on_all() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let owner = owner(&nodes);
    let bots = bots(&nodes, &owner, REVOKED).await;
    let apis = apis(&nodes);
    let caller = Arc::new(Caller::new(&node_urls(&nodes)));
    let (mut working, mut slowest) = (JoinSet::new(), Duration::ZERO);
    let busy: Vec<_> = bots.iter().map(|_| Arc::new(AtomicBool::new(false))).collect();
    for (bot, busy) in bots.iter().zip(&busy) {
        working.spawn(work(Arc::clone(&caller), Arc::clone(bot), Arc::clone(busy)));
    }
    for (bot, busy) in bots.iter().zip(&busy) {
        while !busy.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        caller.revoke_key(&owner, bot).await.expect("it may be revoked");
        let key_id = bot.key_id;
        slowest = slowest.max(listed_everywhere(&apis, |list| list.keys.contains(&key_id)).await);
    }
    for refused in working.join_all().await {
        assert_eq!(refused, Some(ErrorCode::KeyRevoked));
    }
    // No call that began after an acknowledged revocation was issued anything: the judge looks at each of them.
    let history = caller.history();
    let issued = history
        .iter()
        .filter(|call| matches!(call.answer, Answer::Issued { .. }))
        .count();
    let revoked = history
        .iter()
        .filter(|call| matches!(call.call, Call::RevokeKey { .. }))
        .count();
    assert!(
        issued > 10 * REVOKED && revoked == REVOKED,
        "{issued} issued, {revoked} revoked"
    );
    Judge::default()
        .check(&history)
        .unwrap_or_else(|found| panic!("{found}"));
    println!("{issued} tokens issued; on every node's list after {slowest:?} at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e10_an_account_disabled_by_a_command_is_refused_by_every_node() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let owner = owner(&nodes);
    let bot = bots(&nodes, &owner, 1).await.remove(0);
    let apis = apis(&nodes);
    // Every node has a copy of the key in memory.
    let mut sessions = Vec::new();
    for api in &apis {
        sessions.push(bot.mint(api).await.expect("it mints"));
    }
    operator(&nodes, &["accounts", "disable", &owner.uid.to_string()]);
    for (api, tokens) in apis.iter().zip(&sessions) {
        let mint = bot.mint(api).await.expect_err("it is disabled");
        let refresh = api
            .refresh(&tokens.refresh_token)
            .await
            .expect_err("it is disabled");
        assert_eq!(
            (mint.code(), refresh.code()),
            (Some(ErrorCode::AccountDisabled), Some(ErrorCode::AccountDisabled))
        );
    }
    let slowest = listed_everywhere(&apis, |list| list.uids.contains_key(&owner.uid)).await;
    operator(&nodes, &["accounts", "enable", &owner.uid.to_string()]);
    for api in &apis {
        bot.mint(api).await.expect("it may act again");
    }
    println!("on every node's list after {slowest:?} at most");
}
