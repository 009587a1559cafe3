//! Tests what clients see while the database is unavailable, and how soon the nodes recover
//! afterwards.
//!
//! Bots work meanwhile ([`Load`]). An [`Observer`] at each node and at HAProxy checks every answer:
//! a failure is 503 with `Retry-After`, within the deadline, and reads that need no database
//! succeed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tm_auth_client::AuthApi;
use tm_auth_proto::SessionId;
use tm_auth_testing::bot::{Bot, Owner, claims, refresh_counter};
use tm_auth_testing::ledger::{Load, Report, RunningLoad};
use tm_auth_testing::three_nodes::{NODES, ThreeNodes};
use tokio::task::JoinSet;

use super::faults::rows;
use super::observer::{Observations, Observer, is_ready, is_unavailable};
use super::{SETTINGS, apis, binary, bots, owner, until};

const BOTS: usize = 8;
/// The number of acknowledged writes before each fault.
const WRITES_BETWEEN_FAULTS: u64 = 500;
/// The environment variable with the number of rounds of a longer run. A round has each fault once.
const ROUNDS: &str = "TM_AUTH_TEST_FAULT_ROUNDS";
/// How long the database stays unavailable after every node has failed readiness.
const OUTAGE: Duration = Duration::from_secs(3);
/// The deadline for every node to mint after the database is back.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);
/// The deadline of an answer. The service's own deadline is 5 s; the rest allows for a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_millis(6_500);
/// The deadline of steps for which the service promises no time.
const DEADLINE: Duration = Duration::from_secs(20);

type Step = fn(&ThreeNodes);

fn rounds() -> usize {
    std::env::var(ROUNDS).map_or(1, |text| text.parse().expect("the variable has a number"))
}

/// Starts the load of [`BOTS`] bots.
async fn load(nodes: &ThreeNodes, owner: Owner, base_urls: Vec<String>) -> RunningLoad {
    let load = Load {
        base_urls,
        bots: bots(nodes, &owner, BOTS).await,
        owner,
        keys_to_revoke: 2,
        keys_to_create: 1,
        writes: 2 * WRITES_BETWEEN_FAULTS,
    };
    load.start()
}

/// Stops the load and checks that no acknowledged write is lost.
async fn verify(nodes: &ThreeNodes, load: RunningLoad) -> Report {
    let ledger = load.stop().await;
    assert_eq!(ledger.missing_from(&rows(nodes)), [""; 0]);
    let report = ledger.verify().await;
    report.assert_clean();
    report
}

/// Waits until all nodes are ready, or until none is. Asks them concurrently, since each answer may
/// have to wait for the database.
async fn wait_for_readiness(apis: &[AuthApi], expected: bool) -> Duration {
    let all = async || {
        let mut tasks: JoinSet<bool> = apis
            .iter()
            .cloned()
            .map(|api| async move { is_ready(&api).await })
            .collect();
        while let Some(ready) = tasks.join_next().await {
            if ready.expect("the task ends") != expected {
                return None;
            }
        }
        Some(())
    };
    until("readiness changes", DEADLINE, all).await.1
}

/// Waits until every endpoint mints again.
async fn wait_for_recovery(endpoints: &[(AuthApi, Arc<Bot>)]) -> Duration {
    let all = async || {
        for (api, bot) in endpoints {
            bot.mint(api).await.ok()?;
        }
        Some(())
    };
    until("every endpoint mints again", RECOVERED_WITHIN, all).await.1
}

fn assert_only_503(observed: &Observations) {
    assert_eq!(observed.wrong, [""; 0]);
    assert!(observed.slowest < ANSWERED_WITHIN, "{:?}", observed.slowest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j03_j06_a_database_outage_causes_only_503_and_every_node_mints_within_5_s_of_its_end() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let owner = owner(&nodes);
    let apis = apis(&nodes);
    let mut endpoints = Vec::new();
    let load_balancer = AuthApi::new(nodes.url()).expect("the base URL is valid");
    let observers = bots(&nodes, &owner, apis.len() + 1).await;
    endpoints.extend(apis.iter().cloned().chain([load_balancer]).zip(observers));
    let load = load(&nodes, owner, vec![nodes.url().to_owned()]).await;
    let pids = NODES.map(|node| nodes.node_pid(node));
    let faults: [(&str, Step, Step); 2] = [
        (
            "killed",
            |nodes| nodes.kill_postgres(),
            |nodes| nodes.restart_postgres(),
        ),
        (
            "frozen",
            |nodes| nodes.freeze_postgres(),
            |nodes| nodes.thaw_postgres(),
        ),
    ];
    for (what, begin, end) in faults.into_iter().cycle().take(2 * rounds()) {
        let before = load.ledger().counts();
        load.ledger()
            .wait_until_acknowledged(before.acknowledged() + WRITES_BETWEEN_FAULTS)
            .await;
        let observer = Observer::start(&endpoints);
        begin(&nodes);
        let unready_after = wait_for_readiness(&apis, false).await;
        tokio::time::sleep(OUTAGE).await;
        end(&nodes);
        let recovered = wait_for_recovery(&endpoints).await;
        wait_for_readiness(&apis, true).await;
        let observed = observer.stop().await;
        let counts = load.ledger().counts();
        println!(
            "database {what}: no node ready after {unready_after:.1?}; {} times 503, slowest answer {:.1?}; \
             every node minted {recovered:.1?} after it was back",
            observed.unavailable, observed.slowest
        );
        assert_only_503(&observed);
        assert!(observed.unavailable > 0 && observed.read > 0);
        assert_eq!((counts.lost, counts.unsent), (before.lost, before.unsent));
    }
    assert_eq!(
        NODES.map(|node| nodes.node_pid(node)),
        pids,
        "no node was restarted"
    );
    let counts = load.ledger().counts();
    load.ledger()
        .wait_until_acknowledged(counts.acknowledged() + WRITES_BETWEEN_FAULTS)
        .await;
    println!("{}", verify(&nodes, load).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j06_j08_a_node_cut_off_from_the_database_fails_readiness_and_the_others_continue() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let fault_proxy = nodes.restart_node_with_fault_proxy(1);
    let owner = owner(&nodes);
    let observer = bots(&nodes, &owner, 1).await.remove(0);
    let others = [2, 3].map(|node| nodes.node_url(node).to_owned()).to_vec();
    let load = load(&nodes, owner, others).await;
    let endpoints = [(apis(&nodes).remove(0), observer)];
    let (api, bot) = &endpoints[0];
    let faults: [(&str, &dyn Fn()); 3] = [
        ("cut off", &|| fault_proxy.cut()),
        ("silent", &|| fault_proxy.hold()),
        // With this delay, a round trip takes longer than the database deadline.
        ("slow", &|| fault_proxy.delay(Duration::from_secs(3))),
    ];
    for (what, fault) in faults {
        let observer = Observer::start(&endpoints);
        fault();
        let not_ready = async || (!is_ready(api).await).then_some(());
        let ((), unready_after) = until("the node fails readiness", DEADLINE, not_ready).await;
        let refused = async || bot.mint(api).await.err().filter(is_unavailable);
        until("a mint gets 503", DEADLINE, refused).await;
        fault_proxy.heal();
        let recovered = wait_for_recovery(&endpoints).await;
        until("the node is ready", DEADLINE, async || {
            is_ready(api).await.then_some(())
        })
        .await;
        let observed = observer.stop().await;
        println!(
            "one node's database {what}: not ready after {unready_after:.1?}; slowest answer {:.1?}; \
             it minted {recovered:.1?} after",
            observed.slowest
        );
        assert_only_503(&observed);
    }
    load.ledger()
        .wait_until_acknowledged(2 * WRITES_BETWEEN_FAULTS)
        .await;
    let report = verify(&nodes, load).await;
    let counts = report.counts;
    assert_eq!(
        (counts.unavailable, counts.lost, counts.unsent),
        (0, 0, 0),
        "the other nodes were not affected"
    );
    println!("{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j06_e03_a_retry_after_a_lost_commit_answer_gets_the_committed_result() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let fault_proxy = nodes.restart_node_with_fault_proxy(1);
    let bot = bots(&nodes, &owner(&nodes), 1).await.remove(0);
    let apis = apis(&nodes);
    let refresh = async |api: &AuthApi, token: &str| {
        let ask = async || match api.refresh(token).await {
            Ok(tokens) => Some(tokens),
            Err(error) => {
                assert!(is_unavailable(&error), "{error}");
                None
            }
        };
        until("the refresh succeeds", DEADLINE, ask).await.0
    };
    let mut tokens = bot.mint(&apis[0]).await.expect("the mint succeeds");
    let sid = claims(&tokens).sid;
    for counter in 1..=20 {
        let lost = fault_proxy.answers_lost();
        fault_proxy.cut_before_next_answer();
        let next = refresh(&apis[0], &tokens.refresh_token).await;
        assert!(fault_proxy.answers_lost() > lost, "no answer was lost");
        assert_eq!(refresh_counter(&next), counter);
        let written: BTreeMap<SessionId, (i64, bool)> = rows(&nodes);
        assert_eq!(written[&sid], (counter, true), "rotated once");
        // Another node gives the same answer.
        let retried = refresh(&apis[1], &tokens.refresh_token).await;
        assert_eq!(retried.refresh_token, next.refresh_token);
        tokens = next;
    }
    // A mint whose answer was lost opens one session.
    let before = rows(&nodes).len();
    fault_proxy.cut_before_next_answer();
    if let Err(error) = bot.mint(&apis[0]).await {
        assert!(is_unavailable(&error), "{error}");
    }
    assert_eq!(rows(&nodes).len(), before + 1);
}
