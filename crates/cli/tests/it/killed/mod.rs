//! `kill -9` of the real server, under load and at chosen moments.
//!
//! 1. Bots mint and refresh, each with a key of its own; now and then a key is revoked. What the server
//!    acknowledges goes into a ledger. Where an answer did not come, a bot does what any client may do: it
//!    signs anew, or presents the same refresh token again.
//! 2. After a random number of acknowledgements the process is killed and started again; again and again.
//! 3. At the end every entry of the ledger is held against the database and against the running server.

mod ledger;
mod moments;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_client::ApiError;
use tm_auth_proto::{CompactJws, ErrorCode, RevocationList};

use crate::served::{Bot, Service, claims, generation, is_sound, refusal};
use ledger::Ledger;

const KILLS: u64 = 10;
const ACKNOWLEDGEMENTS: u64 = 10_000;
const BOTS: usize = 24;
/// So many of the bots lose their key on the way.
const REVOKED: usize = 6;
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
    let ledger = Arc::new(Ledger::new(bots[..REVOKED].iter().map(|bot| bot.key_id)));
    let mut working = tokio::task::JoinSet::new();
    for bot in &bots {
        working.spawn(work(Arc::clone(&service), Arc::clone(&ledger), Arc::clone(bot)));
    }
    for (index, bot) in (1..).zip(&bots[..REVOKED]) {
        let (service, ledger, bot) = (Arc::clone(&service), Arc::clone(&ledger), Arc::clone(bot));
        working.spawn(async move {
            let share = ACKNOWLEDGEMENTS / (REVOKED as u64 + 1);
            ledger.acknowledged(index * share).await;
            let token = service.management_token(uid);
            ledger.revoking(bot.key_id);
            let api = service.api();
            ledger
                .until_answered(|| api.revoke_api_key(&token, bot.key_id))
                .await
                .expect("its owner may");
            ledger.revoked(bot.key_id);
        });
    }

    let minutes = std::env::var(LONG).map_or(0, |text| text.parse().expect("minutes"));
    let (end, mut random) = (Instant::now() + Duration::from_mins(minutes), 0x5eed_u64);
    let (mut kills, mut next) = (0, 0);
    while kills < KILLS || Instant::now() < end {
        next += 100 + xorshift(&mut random) % (2 * ACKNOWLEDGEMENTS / KILLS - 300);
        ledger.acknowledged(next).await;
        ledger.going_down();
        running.kill();
        running = service.start();
        // A challenge that was accepted before the kill is a replay after it.
        let replay = service.api().mint(&ledger.last_challenge()).await;
        assert_eq!(refusal(replay), Some(ErrorCode::Replayed));
        ledger.is_up();
        kills += 1;
    }
    ledger.acknowledged(ACKNOWLEDGEMENTS.max(next)).await;
    ledger.stop();
    working.join_all().await;

    assert!(is_sound(&service.database()));
    every_entry_is_in_the_database(&service, &ledger);
    every_entry_holds_over_http(&service, &ledger, &bots).await;
    println!(
        "{kills} kills, {} acknowledged, {} unknown",
        ledger.count(),
        ledger.unknown()
    );
}

/// A bot's life: a session, three refreshes, the next session.
async fn work(service: Arc<Service>, ledger: Arc<Ledger>, bot: Arc<Bot>) {
    let api = service.api();
    while !ledger.stopped() {
        let mut challenge = bot.challenge();
        let mut revoked_before = false;
        let minted = ledger
            .until_answered(|| {
                revoked_before = ledger.is_revoked(bot.key_id);
                challenge = bot.challenge();
                let (api, challenge) = (api.clone(), challenge.clone());
                async move { api.mint(&challenge).await }
            })
            .await;
        let mut tokens = match minted {
            Ok(tokens) => tokens,
            Err(error) => return ledger.may_refuse(bot.key_id, &error),
        };
        let sid = claims(&tokens).sid;
        ledger.minted(sid, bot.key_id, &tokens, challenge, revoked_before);
        for expected in 1..=3 {
            let presented = tokens.refresh_token.clone();
            tokens = match ledger.until_answered(|| api.refresh(&presented)).await {
                Ok(tokens) => tokens,
                Err(error) => return ledger.may_refuse(bot.key_id, &error),
            };
            // E08: whether the lost try was committed or not, the next one finds the one successor.
            assert_eq!(
                generation(&tokens),
                expected,
                "one step, however often it was asked for"
            );
            ledger.refreshed(sid, &tokens);
        }
    }
}

fn every_entry_is_in_the_database(service: &Service, ledger: &Ledger) {
    let db = service.rows();
    let mut row = db
        .prepare("SELECT current, ended_at IS NULL FROM sessions WHERE sid = ?1")
        .expect("the table is there");
    for (sid, entry) in ledger.sessions() {
        let (current, live): (i64, bool) = row
            .query_row([sid.0.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap_or_else(|error| panic!("{sid} is lost: {error}"));
        assert!(
            current >= entry.generation,
            "{sid} is at {current}, acknowledged was {}",
            entry.generation
        );
        assert!(live, "{sid} ended although nobody ended it");
    }
}

async fn every_entry_holds_over_http(service: &Arc<Service>, ledger: &Ledger, bots: &[Arc<Bot>]) {
    let list = service.api().revocations(1 << 20).await.expect("it is served");
    let payload = CompactJws::parse(&list).expect("a JWS").payload;
    let list: RevocationList = serde_json::from_slice(&payload).expect("a list");
    let revoked = ledger.revoked_keys();
    assert_eq!(revoked.len(), REVOKED);
    for bot in bots.iter().filter(|bot| revoked.contains(&bot.key_id)) {
        assert!(list.keys.contains(&bot.key_id));
        assert_eq!(
            refusal(bot.mint(&service.api()).await),
            Some(ErrorCode::KeyRevoked)
        );
    }
    let mut asking = tokio::task::JoinSet::new();
    let sessions: Vec<_> = ledger.sessions().into_iter().collect();
    for part in sessions.chunks(sessions.len().div_ceil(16)) {
        let (api, revoked, part) = (service.api(), revoked.clone(), part.to_vec());
        asking.spawn(async move {
            for (sid, entry) in part {
                let outcome = api.refresh(&entry.refresh_token).await;
                if revoked.contains(&entry.key_id) {
                    assert_eq!(refusal(outcome), Some(ErrorCode::KeyRevoked), "{sid}");
                } else {
                    let tokens = outcome.unwrap_or_else(|error| panic!("{sid}: {error}"));
                    assert_eq!(generation(&tokens), entry.generation + 1, "{sid}");
                }
            }
        });
    }
    asking.join_all().await;
}

/// Whether the answer is none: what was asked may have been done or not.
fn is_unknown(error: &ApiError) -> bool {
    error.status().is_none_or(|status| status >= 500)
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
