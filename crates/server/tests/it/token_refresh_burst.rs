//! Threads that share one session refresh at an expiry of its access token.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tm_auth_core::user::SessionKind;
use tm_auth_store::AuditAction;

use crate::captured_log::CapturedLog;
use crate::support::{TestServer, at_once, jwt, rows};

const HOUR: i64 = 3600;
const THREADS: usize = 100;
/// Refreshes of a session per minute, and calls with its tokens.
const ROTATIONS: usize = 60;
const CALLS: usize = 600;

/// The first refresh token of an API key's session, and of a user's.
async fn first_tokens(server: &TestServer) -> [String; 2] {
    let key = server.key().await;
    let (_, users) = server.signed_in_program(&key.account, SessionKind::Native).await;
    [server.mint(&key).await.refresh_token, users]
}

/// Exchanges the newest token `times` times, `gap` seconds apart. Returns all tokens, oldest first.
async fn generations(server: &TestServer, first: String, times: usize, gap: i64) -> Vec<String> {
    let mut tokens = vec![first];
    for _ in 0..times {
        server.advance(gap);
        let newest = server.refresh(tokens.last().unwrap()).await.refresh_token();
        tokens.push(newest);
    }
    tokens
}

#[tokio::test]
async fn e05_e19_each_token_of_a_burst_gets_the_newest_one_byte_for_byte() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    for first in first_tokens(&server).await {
        let tokens = generations(&server, first, 6, 10).await;
        let (newest, ancestors) = tokens.split_last().unwrap();
        let row = || {
            let table = |name| rows(&server, &format!("SELECT * FROM {name}"));
            [table("sessions"), table("user_sessions")]
        };
        let before = row();
        server.advance(40);
        let calls = ancestors.iter().cycle().take(THREADS);
        let answers = at_once(calls.enumerate().map(|(thread, token)| {
            let node = [&server, &node][thread % 2];
            node.refresh(token)
        }));
        for answer in answers.await {
            assert_eq!(answer.refresh_token(), *newest);
        }
        assert_eq!(row(), before, "nothing is written");
        // The oldest was exchanged 90 seconds ago, the next one 80.
        assert_eq!(server.refresh(&ancestors[0]).await.refresh_token(), *newest);
        server.advance(1);
        server
            .refresh(&ancestors[0])
            .await
            .assert_error(401, "refresh_superseded");
        generations(&server, newest.clone(), 2, HOUR).await;
    }
}

/// A thread of the simulation reads the shared token when it gets a 401. Its refresh arrives at the
/// service later, and the answer later still.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    ReadsToken,
    RefreshArrives,
    AnswerArrives,
}

/// All steps of all threads in their order: when, in milliseconds, what, and which thread. The delays
/// differ for each thread and are the same in each run.
fn steps(expiry: u64) -> BTreeSet<(i64, Step, usize)> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ expiry;
    let mut delay = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % 1000).unwrap()
    };
    let mut steps = BTreeSet::new();
    for thread in 0..THREADS {
        let mut at = 0;
        for step in [Step::ReadsToken, Step::RefreshArrives, Step::AnswerArrives] {
            at += delay();
            steps.insert((at, step, thread));
        }
    }
    steps
}

#[tokio::test]
async fn e19_a_hundred_threads_with_delays_over_two_expiries_are_never_refused() {
    let server = TestServer::start().await;
    for first in first_tokens(&server).await {
        let mut shared = first;
        let mut behind = 0;
        for expiry in 0..2 {
            server.advance(HOUR + 60);
            let mut held = vec![String::new(); THREADS];
            let mut now = 0;
            for (at, step, thread) in steps(expiry) {
                server.clock.advance(SignedDuration::from_millis(at - now));
                now = at;
                match step {
                    Step::ReadsToken => held[thread].clone_from(&shared),
                    Step::RefreshArrives => {
                        let presented = jwt::payload(&held[thread])["n"].as_i64().unwrap();
                        let next = server.refresh(&held[thread]).await.refresh_token();
                        behind = behind.max(jwt::payload(&next)["n"].as_i64().unwrap() - presented);
                        held[thread] = next;
                    }
                    // A slow answer may overwrite a newer token.
                    Step::AnswerArrives => shared.clone_from(&held[thread]),
                }
            }
        }
        assert!(behind > 2, "no thread presented a grandparent");
    }
    let trail = server.store.audit_trail(None, 1000).await.unwrap();
    let reused = |action: &AuditAction| *action == AuditAction::RefreshReused;
    assert!(!trail.iter().any(|entry| reused(&entry.action)));
}

#[tokio::test]
async fn e20_repeated_answers_do_not_count_against_the_refreshes_of_a_session() {
    let server = TestServer::start().await;
    for first in first_tokens(&server).await {
        let tokens = generations(&server, first, 2, 0).await;
        for answer in at_once((0..200).map(|thread| server.refresh(&tokens[thread % 2]))).await {
            assert_eq!(answer.refresh_token(), tokens[2]);
        }
        // Two refreshes are used; 58 more pass.
        let tokens = generations(&server, tokens[2].clone(), ROTATIONS - 2, 0).await;
        let (newest, ancestors) = tokens.split_last().unwrap();
        for _ in 0..3 {
            let limited = server.refresh(newest).await;
            limited.assert_error(429, "rate_limited");
            assert_eq!(limited.header("retry-after"), "1");
        }
        // Threads that only repeat pass still. They get the token whose refresh has to wait.
        for token in ancestors {
            assert_eq!(server.refresh(token).await.refresh_token(), *newest);
        }
        generations(&server, newest.clone(), 1, 1).await;
    }
}

#[tokio::test]
async fn a_short_life_of_access_tokens_is_warned_about_at_start() {
    let warning = "access tokens expire before some clients renew them";
    for (seconds, warned) in [(3600, false), (3599, true), (600, true)] {
        let log = CapturedLog::start();
        let server = TestServer::start_with(|config| config.tokens.access_ttl_seconds = seconds).await;
        assert_eq!(log.text().contains(warning), warned, "{seconds}");
        drop(server);
    }
}

#[tokio::test]
async fn e20_a_reissued_token_counts_as_a_refresh() {
    let server = TestServer::start_with(|config| config.limits.refreshes_per_session_per_minute = 2).await;
    let [first, _] = first_tokens(&server).await;
    generations(&server, first.clone(), 1, 0).await;
    server.advance(91);
    let reissued = server.refresh(&first).await.refresh_token();
    let tokens = generations(&server, reissued, 1, 0).await;
    server.refresh(&tokens[1]).await.assert_error(429, "rate_limited");
    assert_eq!(server.refresh(&tokens[0]).await.refresh_token(), tokens[1]);
}

#[tokio::test]
async fn e21_the_601st_call_of_a_session_in_a_minute_is_limited() {
    let server = TestServer::start().await;
    for (first, judge) in first_tokens(&server)
        .await
        .into_iter()
        .zip(["rotate_session", "rotate_user_session"])
    {
        let tokens = generations(&server, first, 1, 0).await;
        let (faults, judged) = (server.store.faults(), server.store.faults().calls(judge));
        for _ in 0..CALLS / 50 {
            // The exchange itself was the first call.
            for answer in at_once((0..50).map(|_| server.refresh(&tokens[0]))).await {
                if answer.status == 429 {
                    answer.assert_error(429, "rate_limited");
                    assert_eq!(answer.header("retry-after"), "1");
                } else {
                    assert_eq!(answer.refresh_token(), tokens[1]);
                }
            }
        }
        assert_eq!(faults.calls(judge) - judged, CALLS as u64 - 1);
        server.refresh(&tokens[0]).await.assert_error(429, "rate_limited");
        assert_eq!(faults.calls(judge) - judged, CALLS as u64 - 1);
        server.advance(1);
        generations(&server, tokens[1].clone(), 1, 0).await;
    }
}
