//! Histories that a correct service can produce.

use super::*;
use crate::history::ErrorCode::{KeyRevoked, RefreshReused, RefreshSuperseded, SessionEnded, SessionExpired};

/// The number of concurrent clients in the largest race of the tests of the binary.
const AT_ONCE: u64 = 50;
/// The number of refreshes in that race.
const ROUNDS: u64 = 200;
/// A day in seconds.
const DAY: i64 = 86_400;

#[test]
fn j08_concurrent_repeats_pass() {
    // The call that rotated need not be the first one answered.
    let script = Script::new()
        .refresh(2..9, 0, issued(1))
        .refresh(3..8, 0, issued(1))
        .refresh(4..7, 0, issued(1))
        .refresh(5..6, 0, issued(1));
    let summary = script.passes();
    assert_eq!((summary.sessions, summary.operations), (1, 5));
}

#[test]
fn j08_a_lost_call_may_take_effect_late_or_never() {
    let never = Script::new().lost(2, 0).end(3..4, Answer::Done);
    assert_eq!(never.passes().unknown, 1);
    // A retry gets the same successor, whether or not the lost call had rotated.
    let again = Script::new()
        .lost(2, 0)
        .refresh(3..4, 0, issued(1))
        .refresh(5..6, 1, issued(2));
    again.passes();
    // The end of the session takes effect after two calls that began later.
    let late = Script::new()
        .end(2..2, Answer::Unknown)
        .refresh(3..4, 0, issued(1))
        .refresh(5..6, 1, issued(2))
        .refresh(7..8, 2, refused(SessionEnded));
    late.passes();
    let revoked = Script::new()
        .revoke(2..2, Answer::Unknown)
        .refresh(3..4, 0, issued(1))
        .refresh(5..6, 1, refused(KeyRevoked));
    revoked.passes();
}

#[test]
fn j08_a_refresh_concurrent_with_a_revocation_may_have_either_outcome() {
    for answer in [issued(1), refused(SessionEnded)] {
        let script = Script::new()
            .end(2..5, Answer::Done)
            .refresh(3..4, 0, answer.clone());
        script.passes();
    }
    // An ended session of a revoked key answers `session_ended`.
    let script = Script::new()
        .revoke(2..3, Answer::Done)
        .refresh(4..5, 0, refused(KeyRevoked))
        .end(6..7, Answer::Done)
        .refresh(8..9, 0, refused(SessionEnded));
    script.passes();
}

#[test]
fn j08_reissues_reuse_and_idle_expiry_pass_after_their_time() {
    let reissued = Script::new()
        .refresh(2..3, 0, issued(1))
        .at(91)
        .refresh(4..5, 0, issued(2))
        .at(182)
        .refresh(6..7, 0, issued(3))
        .refresh(8..9, 0, issued(3));
    // Issuing token 3 invalidated token 2.
    reissued
        .clone()
        .refresh(10..11, 2, refused(RefreshSuperseded))
        .passes();
    reissued
        .clone()
        .at(300)
        .refresh(10..11, 2, refused(RefreshReused))
        .passes();
    reissued.refresh(10..11, 3, issued(4)).passes();
    let idle = Script::new()
        .at(30 * DAY)
        .refresh(2..3, 0, refused(SessionExpired));
    idle.passes();
}

#[test]
fn j08_each_session_is_checked_separately() {
    let script = Script::new()
        .refresh(2..3, 0, issued(1))
        .other_session(4..5)
        .refresh(6..7, 0, issued(1))
        .end(8..9, Answer::Done);
    let mut script = script.refresh(10..11, 0, refused(SessionEnded));
    script.session = SESSION;
    assert_eq!(script.refresh(12..13, 1, issued(2)).passes().sessions, 2);
}

/// The history is as large as that of the largest race, and some answers are lost. The budget
/// suffices to find an order, and also to find that an impossible last answer has none.
#[test]
fn j08_a_large_race_is_decided_within_the_budget() {
    let mut script = Script::new();
    let mut event = 2;
    for round in 0..ROUNDS {
        let counter = i64::try_from(round).unwrap();
        for client in 0..AT_ONCE {
            let events = event + client..event + AT_ONCE + (client * 7) % AT_ONCE;
            script = match client % 10 {
                3 => script.lost(events.start, counter),
                _ => script.refresh(events, counter, issued(counter + 1)),
            };
        }
        event += 2 * AT_ONCE;
    }
    let summary = script.passes();
    assert!(summary.configurations < 1000, "{summary:?}");
    let script = script.refresh(event..event + 1, 0, issued(1));
    script.is_not_linearizable();
}
