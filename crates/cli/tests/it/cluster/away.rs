//! What a client sees while the database is away, and for how long after it is back.
//!
//! Bots work meanwhile ([`Load`]), and a [`Witness`] at each node and at HAProxy notes every answer: it is 503 with
//! `Retry-After`, within the deadline, and nothing else. What needs no database goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tm_auth_client::AuthApi;
use tm_auth_proto::SessionId;
use tm_auth_testing::bot::{Bot, Owner, claims, generation};
use tm_auth_testing::ledger::{Load, Report, Running};
use tm_auth_testing::three_nodes::{NODES, ThreeNodes};
use tokio::task::JoinSet;

use super::outages::rows;
use super::witness::{Seen, Witness, is_ready, is_unavailable};
use super::{SETTINGS, apis, binary, bots, owner, until};

const BOTS: usize = 8;
/// Acknowledged writes before each fault.
const BETWEEN: u64 = 500;
/// How often each fault comes, in a longer run.
const ROUNDS: &str = "TM_AUTH_TEST_FAULT_ROUNDS";
/// How long the database stays away after every node has noticed.
const AWAY: Duration = Duration::from_secs(3);
/// From the return of the database until every node mints.
const RECOVERED_WITHIN: Duration = Duration::from_secs(5);
/// The service's own deadline is 5 s; the rest is for a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_millis(6_500);
/// For what has no promise.
const SOON: Duration = Duration::from_secs(20);

type Step = fn(&ThreeNodes);

fn rounds() -> usize {
    std::env::var(ROUNDS).map_or(1, |text| text.parse().expect("a number"))
}

async fn load(nodes: &ThreeNodes, owner: Owner, base_urls: Vec<String>) -> Running {
    let load = Load {
        base_urls,
        bots: bots(nodes, &owner, BOTS).await,
        owner,
        revoked: 2,
        made: 1,
        writes: 2 * BETWEEN,
    };
    load.start()
}

async fn reckon(nodes: &ThreeNodes, load: Running) -> Report {
    let ledger = load.stop().await;
    assert_eq!(ledger.missing_from(&rows(nodes)), [""; 0]);
    let report = ledger.reckon().await;
    report.assert_clean();
    report
}

/// Until all of them, or none, say that they are ready. They are asked at once, since a database that says nothing
/// keeps each of them.
async fn readiness(apis: &[AuthApi], expected: bool) -> Duration {
    let all = async || {
        let mut asking: JoinSet<bool> = apis
            .iter()
            .cloned()
            .map(|api| async move { is_ready(&api).await })
            .collect();
        while let Some(ready) = asking.join_next().await {
            if ready.expect("it answers") != expected {
                return None;
            }
        }
        Some(())
    };
    until("readiness tells", SOON, all).await.1
}

/// Until each place mints again.
async fn recovery(places: &[(AuthApi, Arc<Bot>)]) -> Duration {
    let all = async || {
        for (api, bot) in places {
            bot.mint(api).await.ok()?;
        }
        Some(())
    };
    until("everybody mints again", RECOVERED_WITHIN, all).await.1
}

fn assert_only_503(seen: &Seen) {
    assert_eq!(seen.wrong, [""; 0]);
    assert!(seen.slowest < ANSWERED_WITHIN, "{:?}", seen.slowest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j03_j06_a_database_that_is_away_costs_503_only_and_five_seconds_after_its_return_at_most() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let owner = owner(&nodes);
    let apis = apis(&nodes);
    let mut places = Vec::new();
    let proxy = AuthApi::new(nodes.url()).expect("a base URL");
    let witnesses = bots(&nodes, &owner, apis.len() + 1).await;
    places.extend(apis.iter().cloned().chain([proxy]).zip(witnesses));
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
        load.ledger().acknowledged(before.acknowledged() + BETWEEN).await;
        let witness = Witness::start(&places);
        begin(&nodes);
        let told = readiness(&apis, false).await;
        tokio::time::sleep(AWAY).await;
        end(&nodes);
        let recovered = recovery(&places).await;
        readiness(&apis, true).await;
        let seen = witness.stop().await;
        let counts = load.ledger().counts();
        println!(
            "database {what}: no node ready after {told:.1?}; {} times 503, slowest answer {:.1?}; \
             every node minted {recovered:.1?} after it was back",
            seen.unavailable, seen.slowest
        );
        assert_only_503(&seen);
        assert!(seen.unavailable > 0 && seen.read > 0);
        assert_eq!((counts.lost, counts.unsent), (before.lost, before.unsent));
    }
    assert_eq!(
        NODES.map(|node| nodes.node_pid(node)),
        pids,
        "nobody was restarted"
    );
    let counts = load.ledger().counts();
    load.ledger().acknowledged(counts.acknowledged() + BETWEEN).await;
    println!("{}", reckon(&nodes, load).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j06_j08_a_node_cut_off_from_the_database_says_so_and_the_others_go_on() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let path = nodes.divert_node(1);
    let owner = owner(&nodes);
    let witness = bots(&nodes, &owner, 1).await.remove(0);
    let others = [2, 3].map(|node| nodes.node_url(node).to_owned()).to_vec();
    let load = load(&nodes, owner, others).await;
    let first = [(apis(&nodes).remove(0), witness)];
    let (api, bot) = &first[0];
    let faults: [(&str, &dyn Fn()); 3] = [
        ("cut off", &|| path.cut()),
        ("silent", &|| path.hold()),
        // There and back that is more than a question may take.
        ("slow", &|| path.delay(Duration::from_secs(3))),
    ];
    for (what, fault) in faults {
        let witness = Witness::start(&first);
        fault();
        let not_ready = async || (!is_ready(api).await).then_some(());
        let ((), told) = until("readiness says no", SOON, not_ready).await;
        let refused = async || bot.mint(api).await.err().filter(is_unavailable);
        until("it says 503", SOON, refused).await;
        path.heal();
        let recovered = recovery(&first).await;
        until("it is ready", SOON, async || is_ready(api).await.then_some(())).await;
        let seen = witness.stop().await;
        println!(
            "one node's database {what}: not ready after {told:.1?}; slowest answer {:.1?}; \
             it minted {recovered:.1?} after",
            seen.slowest
        );
        assert_only_503(&seen);
    }
    load.ledger().acknowledged(2 * BETWEEN).await;
    let report = reckon(&nodes, load).await;
    let counts = report.counts;
    assert_eq!(
        (counts.unavailable, counts.lost, counts.unsent),
        (0, 0, 0),
        "the others were not touched"
    );
    println!("{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j06_e03_whoever_asks_again_after_a_lost_commit_gets_what_was_committed() {
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let path = nodes.divert_node(1);
    let bot = bots(&nodes, &owner(&nodes), 1).await.remove(0);
    let apis = apis(&nodes);
    let refreshed = async |api: &AuthApi, token: &str| {
        let ask = async || match api.refresh(token).await {
            Ok(tokens) => Some(tokens),
            Err(error) => {
                assert!(is_unavailable(&error), "{error}");
                None
            }
        };
        until("it is refreshed", SOON, ask).await.0
    };
    let mut tokens = bot.mint(&apis[0]).await.expect("it mints");
    let sid = claims(&tokens).sid;
    for counter in 1..=20 {
        let lost = path.answers_lost();
        path.cut_before_next_answer();
        let next = refreshed(&apis[0], &tokens.refresh_token).await;
        assert!(path.answers_lost() > lost, "nothing was lost");
        assert_eq!(generation(&next), counter);
        let written: BTreeMap<SessionId, (i64, bool)> = rows(&nodes);
        assert_eq!(written[&sid], (counter, true), "once");
        // At another node too.
        let elsewhere = refreshed(&apis[1], &tokens.refresh_token).await;
        assert_eq!(elsewhere.refresh_token, next.refresh_token);
        tokens = next;
    }
    // A mint whose commit was lost opens one session.
    let before = rows(&nodes).len();
    path.cut_before_next_answer();
    if let Err(error) = bot.mint(&apis[0]).await {
        assert!(is_unavailable(&error), "{error}");
    }
    assert_eq!(rows(&nodes).len(), before + 1);
}
