//! `kill -9` of the real server, under load and at chosen moments.
//!
//! 1. Bots mint and refresh, each with a key of its own; now and then a key is revoked or made. What the server
//!    acknowledges goes into a ledger. Where an answer did not come, a bot does what any client may do: it
//!    signs anew, or presents the same refresh token again.
//! 2. After a random number of acknowledgements the process is killed and started again; again and again.
//! 3. At the end every entry of the ledger is held against the database and against the running server.

mod ledger_self_test;
mod mid_refresh;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_proto::{ErrorCode, SessionId};
use tm_auth_testing::ledger::Load;

use crate::service::{Owner, Service, is_sound, refusal};

const KILLS: u64 = 10;
const ACKNOWLEDGEMENTS: u64 = 10_000;
const BOTS: usize = 24;
/// So many of the bots lose their key on the way.
const REVOKED: usize = 6;
/// So many are made on the way.
const MADE: usize = 3;
/// Set to the minutes of a longer run.
const LONG: &str = "TM_AUTH_TEST_KILL_MINUTES";

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
        // In a longer run the first one would end.
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
        revoked: REVOKED,
        made: MADE,
        writes: ACKNOWLEDGEMENTS,
    };
    let load = load.start();

    let minutes = std::env::var(LONG).map_or(0, |text| text.parse().expect("minutes"));
    let (end, mut random) = (Instant::now() + Duration::from_mins(minutes), 0x5eed_u64);
    let (mut kills, mut next) = (0, 0);
    while kills < KILLS || Instant::now() < end {
        next += 100 + xorshift(&mut random) % (2 * ACKNOWLEDGEMENTS / KILLS - 300);
        load.ledger().acknowledged(next).await;
        // Accepted before the kill, so a replay after it.
        let challenge = load.ledger().last_challenge().expect("somebody minted");
        running.kill();
        running = service.start();
        let replay = service.api().mint(&challenge).await;
        assert_eq!(refusal(replay), Some(ErrorCode::Replayed));
        kills += 1;
    }
    load.ledger().acknowledged(ACKNOWLEDGEMENTS.max(next)).await;
    let ledger = load.stop().await;

    assert!(is_sound(&service.database()));
    assert_eq!(ledger.missing_from(&rows(&service)), [""; 0]);
    let report = ledger.reckon().await;
    report.assert_clean();
    assert_eq!(report.counts.revoked, REVOKED as u64);
    println!("{kills} kills; {report}");
}

/// Every session's newest counter, and whether it is live.
fn rows(service: &Service) -> BTreeMap<SessionId, (i64, bool)> {
    let db = service.rows();
    let mut all = db
        .prepare("SELECT sid, current, ended_at IS NULL FROM sessions")
        .expect("the table is there");
    let rows = all.query_map([], |row| {
        let sid = SessionId(row.get(0)?);
        Ok((sid, (row.get(1)?, row.get(2)?)))
    });
    rows.expect("they can be read")
        .collect::<Result<_, _>>()
        .expect("rows of sessions")
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
