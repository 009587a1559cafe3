//! Tests that a revocation through one node applies on every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tm_auth_client::AuthApi;
use tm_auth_proto::{CompactJws, ErrorCode, RevocationList};
use tm_auth_testing::bot::Bot;
use tm_auth_testing::history::{Answer, Call, Checker};
use tm_auth_testing::ledger::{HeldToken, RetryingClient};
use tm_auth_testing::three_nodes::ThreeNodes;
use tokio::task::JoinSet;

use super::{SETTINGS, apis, binary, bots, node_urls, operator, owner};

/// The deadline for every node to list a revocation. It is long since the machine may be busy. The
/// test prints the actual time.
const DEADLINE: Duration = Duration::from_secs(20);
const REVOKED: usize = 12;

/// Mints and refreshes on all nodes until a call is refused. Sets `busy` after the first refresh.
/// Returns the code of the refusal. The client records the history.
async fn mint_and_refresh(
    client: Arc<RetryingClient>,
    bot: Arc<Bot>,
    busy: Arc<AtomicBool>,
) -> Option<ErrorCode> {
    loop {
        let mut held: HeldToken = match client.mint(&bot).await {
            Ok((held, _)) => held,
            Err(error) => return error.code(),
        };
        for _ in 0..5 {
            held = match client.refresh(&held).await {
                Ok(held) => held,
                Err(error) => return error.code(),
            };
            busy.store(true, Ordering::Relaxed);
        }
    }
}

/// The revocation list of a node.
pub(super) async fn list(api: &AuthApi) -> RevocationList {
    let jws = api.revocations(1 << 20).await.expect("the list is served");
    let payload = CompactJws::parse(&jws).expect("the list is a JWS").payload;
    serde_json::from_slice(&payload).expect("the payload is a revocation list")
}

/// Waits until `has_revocation` is true for the list of each node. Returns how long that took.
async fn listed_everywhere(apis: &[AuthApi], has_revocation: impl Fn(&RevocationList) -> bool) -> Duration {
    let acknowledged = Instant::now();
    for api in apis {
        while !has_revocation(&list(api).await) {
            assert!(
                acknowledged.elapsed() < DEADLINE,
                "a node does not list the revocation"
            );
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
    let client = Arc::new(RetryingClient::new(&node_urls(&nodes)));
    let (mut tasks, mut slowest) = (JoinSet::new(), Duration::ZERO);
    let busy: Vec<_> = bots.iter().map(|_| Arc::new(AtomicBool::new(false))).collect();
    for (bot, busy) in bots.iter().zip(&busy) {
        tasks.spawn(mint_and_refresh(
            Arc::clone(&client),
            Arc::clone(bot),
            Arc::clone(busy),
        ));
    }
    for (bot, busy) in bots.iter().zip(&busy) {
        while !busy.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        client.revoke_key(&owner, bot).await.expect("the key is revoked");
        let key_id = bot.key_id;
        slowest = slowest.max(listed_everywhere(&apis, |list| list.keys.contains(&key_id)).await);
    }
    for refused in tasks.join_all().await {
        assert_eq!(refused, Some(ErrorCode::KeyRevoked));
    }
    // The checker fails if a call that began after an acknowledged revocation got tokens.
    let history = client.history();
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
    Checker::default()
        .check(&history)
        .unwrap_or_else(|violation| panic!("{violation}"));
    println!("{issued} tokens issued; every node listed a revocation within {slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e10_an_account_disabled_by_a_command_is_refused_by_every_node() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let owner = owner(&nodes);
    let bot = bots(&nodes, &owner, 1).await.remove(0);
    let apis = apis(&nodes);
    // Mint on every node, so that each has the key in its cache.
    let mut sessions = Vec::new();
    for api in &apis {
        sessions.push(bot.mint(api).await.expect("the mint succeeds"));
    }
    operator(&nodes, &["accounts", "disable", &owner.uid.to_string()]);
    for (api, tokens) in apis.iter().zip(&sessions) {
        let mint = bot.mint(api).await.expect_err("the account is disabled");
        let refresh = api
            .refresh(&tokens.refresh_token)
            .await
            .expect_err("the account is disabled");
        assert_eq!(
            (mint.code(), refresh.code()),
            (Some(ErrorCode::AccountDisabled), Some(ErrorCode::AccountDisabled))
        );
    }
    let slowest = listed_everywhere(&apis, |list| list.uids.contains_key(&owner.uid)).await;
    operator(&nodes, &["accounts", "enable", &owner.uid.to_string()]);
    for api in &apis {
        bot.mint(api).await.expect("the account is enabled again");
    }
    println!("every node listed the revocation within {slowest:?}");
}
