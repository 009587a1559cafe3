//! The database or a node taken away under load, and what was acknowledged before, between and after.
//!
//! 1. Bots work through HAProxy; each acknowledged write goes into a ledger.
//! 2. One after the other: PostgreSQL is killed, frozen, cut off, held back, and loses answers to commits; a node is
//!    killed, and another one frozen. While the database is away the nodes' other answers go on.
//! 3. At the end every entry is held against the rows and against the service, and the history of all calls must
//!    have one order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tm_auth_client::AuthApi;
use tm_auth_proto::{ErrorCode, SessionId};
use tm_auth_testing::bot::Bot;
use tm_auth_testing::ledger::Load;
use tm_auth_testing::three_nodes::{NODES, ThreeNodes};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{SETTINGS, apis, binary, bots, owner};

const BOTS: usize = 16;
const REVOKED: usize = 5;
const MADE: usize = 3;
/// Between two faults, so that each meets a service at work.
const BETWEEN: u64 = 700;
/// Set to the number of rounds of a longer run; one round has each fault once.
const ROUNDS: &str = "TM_AUTH_TEST_FAULT_ROUNDS";
/// The longest wait for a node to be ready again. What it took is printed.
const CEILING: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e08_j03_j06_j08_nothing_acknowledged_is_lost_whatever_is_taken_away() {
    let mut settings = SETTINGS.to_vec();
    // Shorter than the service's own, so that a frozen server is answered for soon.
    settings.push(("LIMITS__DATABASE_SECONDS", "3"));
    let nodes = ThreeNodes::start_with_fault_proxy(binary(), &settings);
    let owner = owner(&nodes);
    let bots = bots(&nodes, &owner, BOTS).await;
    let witness = Arc::clone(&bots[BOTS - 1]);
    let rounds = std::env::var(ROUNDS).map_or(1, |text| text.parse().expect("a number"));
    let load = Load {
        base_urls: vec![nodes.url().to_owned()],
        bots,
        owner,
        revoked: REVOKED,
        made: MADE,
        writes: 5_000,
    };
    let load = load.start();
    let apis = apis(&nodes);
    let mut next = 0;
    for round in 0..rounds {
        for (name, break_it, mend) in FAULTS {
            next += BETWEEN;
            load.ledger().acknowledged(next).await;
            tokio::task::block_in_place(|| break_it(&nodes));
            if name.starts_with("PostgreSQL") {
                without_database(&apis, &witness, name).await;
            }
            let mended = Instant::now();
            tokio::task::block_in_place(|| mend(&nodes));
            let started = mended.elapsed();
            let acknowledged = load.ledger().counts().acknowledged();
            load.ledger().acknowledged(acknowledged + 1).await;
            let served = mended.elapsed().saturating_sub(started);
            all_ready(&nodes).await;
            println!("round {round}: {name}: back after {started:.1?}, and served again {served:.2?} later");
        }
    }
    load.ledger().acknowledged((next + BETWEEN).max(5_000)).await;
    let ledger = load.stop().await;

    assert!(nodes.fault_proxy().answers_lost() > 0);
    assert_eq!(ledger.missing_from(&rows(&nodes)), [""; 0]);
    let report = ledger.reckon().await;
    report.assert_clean();
    assert_eq!(report.counts.revoked, REVOKED as u64);
    println!("{report}");
}

type Step = fn(&ThreeNodes);

/// What is taken away, and how it comes back.
const FAULTS: &[(&str, Step, Step)] = &[
    (
        "PostgreSQL killed",
        |nodes| nodes.kill_postgres(),
        |nodes| nodes.restart_postgres(),
    ),
    (
        "PostgreSQL frozen",
        |nodes| nodes.freeze_postgres(),
        |nodes| nodes.thaw_postgres(),
    ),
    (
        "PostgreSQL cut off",
        |nodes| nodes.fault_proxy().cut(),
        |nodes| nodes.fault_proxy().heal(),
    ),
    (
        "PostgreSQL held back",
        |nodes| nodes.fault_proxy().hold(),
        |nodes| nodes.fault_proxy().heal(),
    ),
    ("answers lost", lose_answers, |nodes| nodes.fault_proxy().heal()),
    (
        "a node killed",
        |nodes| nodes.kill_node(1),
        |nodes| nodes.restart_node(1),
    ),
    (
        "a node frozen",
        |nodes| nodes.freeze_node(2),
        |nodes| nodes.thaw_node(2),
    ),
];

/// Commits that happen while their answers do not arrive.
fn lose_answers(nodes: &ThreeNodes) {
    let proxy = nodes.fault_proxy();
    let begun = Instant::now();
    for lost in 1..=5 {
        let before = proxy.answers_lost();
        proxy.cut_before_next_answer();
        while proxy.answers_lost() == before {
            assert!(begun.elapsed() < CEILING, "no answer to lose, the {lost}th time");
            std::thread::yield_now();
        }
    }
}

/// Writes are refused with a word on when to come back; everything that needs no database goes on.
async fn without_database(apis: &[AuthApi], bot: &Arc<Bot>, fault: &'static str) {
    let mut nodes = JoinSet::new();
    for api in apis {
        let (api, bot) = (api.clone(), Arc::clone(bot));
        nodes.spawn(async move {
            let refused = bot.mint(&api).await.expect_err("there is no database");
            assert_eq!(
                (refused.status(), refused.code()),
                (Some(503), Some(ErrorCode::Unavailable)),
                "{fault}"
            );
            assert!(refused.retry_after().is_some(), "{fault}");
            assert!(!api.jwks().await.expect("from memory").keys.is_empty(), "{fault}");
            api.revocations(1 << 20).await.expect("from memory");
            let client = reqwest::Client::new();
            for (path, expected) in [
                ("live", StatusCode::OK),
                ("ready", StatusCode::SERVICE_UNAVAILABLE),
            ] {
                let url = format!("{}/health/{path}", api.base_url());
                let answer = client.get(url).send().await.expect("an answer");
                assert_eq!(answer.status(), expected, "{fault}: {path}");
            }
        });
    }
    nodes.join_all().await;
}

async fn all_ready(nodes: &ThreeNodes) {
    let begun = Instant::now();
    let client = reqwest::Client::new();
    for node in NODES {
        let url = format!("{}/v1/auth/health/ready", nodes.node_url(node));
        while !matches!(client.get(&url).send().await, Ok(answer) if answer.status() == StatusCode::OK) {
            assert!(begun.elapsed() < CEILING, "node {node} does not come back");
        }
    }
}

/// Every session's newest counter, and whether it is live.
pub(super) fn rows(nodes: &ThreeNodes) -> BTreeMap<SessionId, (i64, bool)> {
    let sql = "SELECT encode(sid, 'hex'), current, ended_at IS NULL FROM sessions";
    let rows = tm_auth_testing::postgres::psql(&nodes.postgres_url(), sql);
    rows.lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('|').collect();
            let sid = SessionId(Uuid::try_parse(columns[0]).expect("an id"));
            (sid, (columns[1].parse().expect("a number"), columns[2] == "t"))
        })
        .collect()
}
