//! Faults of the database and of nodes under load: no acknowledged write may be lost.
//!
//! 1. Bots work through HAProxy. Each acknowledged write goes into a ledger.
//! 2. PostgreSQL is killed, frozen, cut off, held back, and loses answers to commits; then one node
//!    is killed and another frozen. While the database is unavailable, the nodes still serve what
//!    needs no database.
//! 3. At the end every entry is compared with the rows and the service, and the history of all
//!    calls must be linearizable.

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
const CREATED: usize = 3;
/// The number of acknowledged writes between two faults, so that each fault hits a working service.
const WRITES_BETWEEN_FAULTS: u64 = 700;
/// The environment variable with the number of rounds of a longer run. A round has each fault once.
const ROUNDS: &str = "TM_AUTH_TEST_FAULT_ROUNDS";
/// The deadline for a node to get ready and for answers to be lost. The test prints the actual time
/// of recovery.
const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e08_j03_j06_j08_no_acknowledged_write_is_lost_in_any_fault() {
    let mut settings = SETTINGS.to_vec();
    // This deadline is shorter than the default, so that requests fail soon while the database is
    // frozen.
    settings.push(("LIMITS__DATABASE_SECONDS", "3"));
    let nodes = ThreeNodes::start_with_fault_proxy(binary(), &settings);
    let owner = owner(&nodes);
    let bots = bots(&nodes, &owner, BOTS).await;
    // The run revokes the keys of the first bots only.
    let unrevoked_bot = Arc::clone(&bots[BOTS - 1]);
    let rounds = std::env::var(ROUNDS).map_or(1, |text| text.parse().expect("the variable has a number"));
    let load = Load {
        base_urls: vec![nodes.url().to_owned()],
        bots,
        owner,
        keys_to_revoke: REVOKED,
        keys_to_create: CREATED,
        writes: 5_000,
    };
    let load = load.start();
    let apis = apis(&nodes);
    let mut next_fault_at = 0;
    for round in 0..rounds {
        for (name, inject, repair) in FAULTS {
            next_fault_at += WRITES_BETWEEN_FAULTS;
            load.ledger().wait_until_acknowledged(next_fault_at).await;
            tokio::task::block_in_place(|| inject(&nodes));
            if name.starts_with("PostgreSQL") {
                assert_serves_without_database(&apis, &unrevoked_bot, name).await;
            }
            let repair_began = Instant::now();
            tokio::task::block_in_place(|| repair(&nodes));
            let repair_time = repair_began.elapsed();
            let acknowledged = load.ledger().counts().acknowledged();
            load.ledger().wait_until_acknowledged(acknowledged + 1).await;
            let recovery_time = repair_began.elapsed().saturating_sub(repair_time);
            wait_until_all_ready(&nodes).await;
            println!(
                "round {round}: {name}: repaired after {repair_time:.1?}, served again {recovery_time:.2?} later"
            );
        }
    }
    load.ledger()
        .wait_until_acknowledged((next_fault_at + WRITES_BETWEEN_FAULTS).max(5_000))
        .await;
    let ledger = load.stop().await;

    assert!(nodes.fault_proxy().answers_lost() > 0);
    assert_eq!(ledger.missing_from(&rows(&nodes)), [""; 0]);
    let report = ledger.verify().await;
    report.assert_clean();
    assert_eq!(report.counts.revoked, REVOKED as u64);
    println!("{report}");
}

type Step = fn(&ThreeNodes);

/// The name of each fault, how to inject it, and how to repair it.
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

/// Loses the answers to five commits.
fn lose_answers(nodes: &ThreeNodes) {
    let proxy = nodes.fault_proxy();
    let started = Instant::now();
    for lost in 1..=5 {
        let before = proxy.answers_lost();
        proxy.cut_before_next_answer();
        while proxy.answers_lost() == before {
            assert!(started.elapsed() < DEADLINE, "answer {lost} of 5 was not lost");
            std::thread::yield_now();
        }
    }
}

/// Checks that a mint gets 503 with `Retry-After`, that readiness fails, and that every node still
/// serves what needs no database.
async fn assert_serves_without_database(apis: &[AuthApi], bot: &Arc<Bot>, fault: &'static str) {
    let mut nodes = JoinSet::new();
    for api in apis {
        let (api, bot) = (api.clone(), Arc::clone(bot));
        nodes.spawn(async move {
            let refused = bot.mint(&api).await.expect_err("the database is unavailable");
            assert_eq!(
                (refused.status(), refused.code()),
                (Some(503), Some(ErrorCode::Unavailable)),
                "{fault}"
            );
            assert!(refused.retry_after().is_some(), "{fault}");
            assert!(
                !api.jwks().await.expect("the JWKS is in memory").keys.is_empty(),
                "{fault}"
            );
            api.revocations(1 << 20).await.expect("the list is in memory");
            let client = reqwest::Client::new();
            for (path, expected) in [
                ("live", StatusCode::OK),
                ("ready", StatusCode::SERVICE_UNAVAILABLE),
            ] {
                let url = format!("{}/health/{path}", api.base_url());
                let answer = client.get(url).send().await.expect("the node answers");
                assert_eq!(answer.status(), expected, "{fault}: {path}");
            }
        });
    }
    nodes.join_all().await;
}

async fn wait_until_all_ready(nodes: &ThreeNodes) {
    let started = Instant::now();
    let client = reqwest::Client::new();
    for node in NODES {
        let url = format!("{}/v1/auth/health/ready", nodes.node_url(node));
        while !matches!(client.get(&url).send().await, Ok(answer) if answer.status() == StatusCode::OK) {
            assert!(started.elapsed() < DEADLINE, "node {node} does not get ready");
        }
    }
}

/// The newest counter of every session, and whether it is live.
pub(super) fn rows(nodes: &ThreeNodes) -> BTreeMap<SessionId, (i64, bool)> {
    let sql = "SELECT encode(sid, 'hex'), current, ended_at IS NULL FROM sessions";
    let rows = tm_auth_testing::postgres::psql(&nodes.postgres_url(), sql);
    rows.lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('|').collect();
            let sid = SessionId(Uuid::try_parse(columns[0]).expect("the column has a session id"));
            (
                sid,
                (
                    columns[1].parse().expect("the column has a number"),
                    columns[2] == "t",
                ),
            )
        })
        .collect()
}
