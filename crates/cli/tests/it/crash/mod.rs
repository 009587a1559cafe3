//! Kills the server (SIGKILL) under load and at chosen moments.
//!
//! 1. Bots mint, refresh and end sessions, each with its own key. Their owner revokes and creates a
//!    few keys. Every acknowledged write goes into a ledger. If an answer is lost, a bot retries
//!    like any client: it signs a new challenge, or presents the same refresh token again.
//! 2. After a random number of acknowledged writes the process is killed and started again,
//!    repeatedly.
//! 3. At the end every entry of the ledger is compared with the database and the running server.

mod ledger_self_test;
mod mid_refresh;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_proto::{ErrorCode, SessionId};
use tm_auth_testing::ledger::Load;

use crate::service::{Owner, Service, error_code, passes_integrity_check};

const KILLS: u64 = 10;
/// The least number of acknowledged writes in a run.
const ACKNOWLEDGEMENTS: u64 = 10_000;
const BOTS: usize = 24;
/// The number of bots whose keys are revoked.
const REVOKED: usize = 6;
/// The number of keys created during the run.
const CREATED: usize = 3;
/// The environment variable that sets a longer duration of the run, in minutes.
const MINUTES: &str = "TM_AUTH_TEST_KILL_MINUTES";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j01_no_acknowledged_write_is_lost_and_nothing_revoked_comes_back() {
    let service = Arc::new(Service::new());
    let mut running = service.start();
    let uid = service.account();
    let management_token = service.management_token(uid);
    let mut bots = Vec::new();
    for _ in 0..BOTS {
        bots.push(Arc::new(service.bot(uid, &management_token).await));
    }
    let owner = Owner {
        // Issue a token per request: in a longer run, the first token would expire.
        management_token: Box::new({
            let service = Arc::clone(&service);
            move || service.management_token(uid)
        }),
        ..service.owner(uid, &management_token)
    };
    let load = Load {
        base_urls: vec![service.issuer()],
        bots,
        owner,
        keys_to_revoke: REVOKED,
        keys_to_create: CREATED,
        writes: ACKNOWLEDGEMENTS,
    };
    let load = load.start();

    let minutes = std::env::var(MINUTES).map_or(0, |text| text.parse().expect("the variable has a number"));
    let (end, mut random) = (Instant::now() + Duration::from_mins(minutes), 0x5eed_u64);
    let (mut kills, mut kill_at) = (0, 0);
    while kills < KILLS || Instant::now() < end {
        kill_at += 100 + xorshift(&mut random) % (2 * ACKNOWLEDGEMENTS / KILLS - 300);
        load.ledger().wait_until_acknowledged(kill_at).await;
        // The server accepted this challenge before the kill, so after it the challenge is a replay.
        let challenge = load.ledger().last_challenge().expect("a bot has minted");
        running.kill();
        running = service.start();
        let replay = service.api().mint(&challenge).await;
        assert_eq!(error_code(replay), Some(ErrorCode::Replayed));
        kills += 1;
    }
    load.ledger()
        .wait_until_acknowledged(ACKNOWLEDGEMENTS.max(kill_at))
        .await;
    let ledger = load.stop().await;

    assert!(passes_integrity_check(&service.database()));
    assert_eq!(ledger.missing_from(&rows(&service)), [""; 0]);
    let report = ledger.verify().await;
    report.assert_clean();
    assert_eq!(report.counts.revoked, REVOKED as u64);
    println!("{kills} kills; {report}");
}

/// The newest counter of every session, and whether it is live.
fn rows(service: &Service) -> BTreeMap<SessionId, (i64, bool)> {
    let db = service.connection();
    let mut statement = db
        .prepare("SELECT sid, current, ended_at IS NULL FROM sessions")
        .expect("the table exists");
    let rows = statement.query_map([], |row| {
        let sid = SessionId(row.get(0)?);
        Ok((sid, (row.get(1)?, row.get(2)?)))
    });
    rows.expect("the rows can be read")
        .collect::<Result<_, _>>()
        .expect("each row is a session")
}

/// The next number of a deterministic sequence.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
