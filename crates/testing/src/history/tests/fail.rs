//! Histories that no correct service has.

use super::*;
use crate::history::ErrorCode::{KeyRevoked, RefreshReused, RefreshSuperseded, SessionEnded};

#[test]
fn j08_two_tokens_for_one_counter_fail() {
    let forged = Answer::Issued {
        session: SESSION,
        counter: 1,
        token: "another token 1".into(),
    };
    let script = Script::new().refresh(2..5, 0, issued(1)).refresh(3..4, 0, forged);
    assert!(matches!(script.fails(), Violation::TwoTokens(_)));
}

#[test]
fn j08_two_successors_of_one_token_fail() {
    let script = Script::new()
        .refresh(2..5, 0, issued(1))
        .refresh(3..4, 0, issued(2));
    assert!(matches!(script.fails(), Violation::TwoSuccessors(_)));
    script.has_no_order();
    // Late, a second successor is the rule: but not one that nothing voided the first for.
    let late = Script::new().refresh(2..3, 0, issued(1)).at(91);
    late.clone().refresh(4..5, 0, issued(2)).passes();
    late.clone().refresh(4..5, 0, issued(3)).has_no_order();
    late.refresh(4..7, 0, issued(2))
        .refresh(5..6, 0, issued(3))
        .has_no_order();
}

#[test]
fn j08_the_first_mint_counts_as_a_token_too() {
    let second = Answer::Issued {
        session: SESSION,
        counter: 0,
        token: "another token 0".into(),
    };
    let script = Script::new().call(2..3, Call::Mint { key: KEY }, second);
    assert!(matches!(script.fails(), Violation::TwoTokens(_)));
}

#[test]
fn j08_a_stale_read_fails() {
    let script = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 1, issued(2))
        .refresh(6..7, 0, issued(1));
    let told = script.has_no_order();
    assert!(matches!(script.fails(), Violation::NoOrder(SESSION, _)));
    // A human sees what was explained and what was not.
    assert!(told.contains("[   4,    5] refresh(1)"), "{told}");
    assert!(told.contains("the row is then at 2, parent Some(1)"), "{told}");
    assert!(told.contains("[   6,    7] refresh(0)"), "{told}");
    assert!(told.ends_with("\n0 answers come later"), "{told}");
}

#[test]
fn j08_real_time_is_binding() {
    // Superseded before the second rotation began: by nothing.
    let early = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 0, refused(RefreshSuperseded))
        .refresh(6..7, 1, issued(2));
    early.has_no_order();
    // The same answers where the two overlap are in order.
    let overlapping = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..7, 0, refused(RefreshSuperseded))
        .refresh(5..6, 1, issued(2));
    overlapping.passes();
}

#[test]
fn j08_issued_after_an_acknowledged_revocation_fails() {
    let ended = Script::new().end(2..3, Answer::Done).refresh(4..5, 0, issued(1));
    assert!(matches!(ended.fails(), Violation::AfterRevocation(_)));
    ended.has_no_order();
    let revoked = Script::new()
        .revoke(2..3, Answer::Done)
        .refresh(4..5, 0, issued(1));
    assert!(matches!(revoked.fails(), Violation::AfterRevocation(_)));
    revoked.has_no_order();
    let minted = Script::new().revoke(2..3, Answer::Done).other(4..5);
    assert!(matches!(minted.fails(), Violation::AfterRevocation(_)));
    // A repeat is no exception.
    let repeated = Script::new()
        .refresh(2..3, 0, issued(1))
        .end(4..5, Answer::Done)
        .refresh(6..7, 0, issued(1));
    repeated.has_no_order();
}

#[test]
fn j08_a_revocation_that_somebody_saw_stays() {
    // Nobody acknowledged it, but one session was refused for it; then another one goes on.
    let script = Script::new()
        .revoke(2..2, Answer::Unknown)
        .refresh(3..4, 0, refused(KeyRevoked))
        .other(5..6);
    assert!(matches!(script.fails(), Violation::AfterRevocation(_)));
    let same_session = Script::new()
        .end(2..2, Answer::Unknown)
        .refresh(3..4, 0, refused(SessionEnded))
        .refresh(5..6, 0, issued(1));
    assert!(matches!(same_session.fails(), Violation::AfterRevocation(_)));
    same_session.has_no_order();
}

#[test]
fn j08_a_lost_acknowledged_rotation_fails() {
    // The row is back at 0: its token rotates again, or the acknowledged successor is too new for the row.
    let rotated = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 1, issued(2));
    rotated.clone().refresh(6..7, 0, issued(1)).has_no_order();
    rotated.clone().refresh(6..7, 0, issued(3)).has_no_order();
    rotated
        .refresh(6..7, 2, refused(RefreshSuperseded))
        .has_no_order();
    // A token from nowhere: the service fast-forwards over what it lost, the history shows it.
    Script::new().refresh(2..3, 1, issued(2)).has_no_order();
}

#[test]
fn j08_a_lost_answer_explains_one_of_two_but_not_both() {
    let lost = Script::new().refresh(2..3, 0, issued(1)).lost(4, 1);
    let took_effect = lost.clone().refresh(5..6, 0, refused(RefreshSuperseded));
    let did_not = lost.refresh(5..6, 0, issued(1));
    took_effect.passes();
    did_not.passes();
    // First it did not and then it did: late. The other way round is impossible.
    did_not.refresh(7..8, 0, refused(RefreshSuperseded)).passes();
    took_effect.refresh(7..8, 0, issued(1)).has_no_order();
    // Nor does one lost call move the row twice.
    let twice = Script::new().lost(2, 0).refresh(3..4, 2, issued(3));
    twice.has_no_order();
}

#[test]
fn j08_a_lost_answer_explains_nothing_before_its_call() {
    let script = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 0, refused(RefreshSuperseded))
        .lost(6, 1);
    script.has_no_order();
}

#[test]
fn j08_an_end_that_nobody_asked_for_fails() {
    for code in [SessionEnded, KeyRevoked, RefreshReused, ErrorCode::SessionExpired] {
        Script::new().refresh(2..3, 0, refused(code)).has_no_order();
    }
    // Soon after a rotation an old token ends nothing.
    let soon = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 1, issued(2))
        .at(90)
        .refresh(6..7, 0, refused(RefreshReused));
    soon.has_no_order();
}

#[test]
fn j08_tokens_of_another_session_fail() {
    let mut script = Script::new().other(2..3);
    script.session = SESSION;
    let mut script = script.refresh(4..5, 0, issued(1));
    let Some(Answer::Issued { session, .. }) = script
        .operations
        .last_mut()
        .map(|operation| &mut operation.answer)
    else {
        panic!("the last one is a refresh");
    };
    *session = OTHER;
    assert!(matches!(script.fails(), Violation::OtherSession(_)));
}

#[test]
fn j08_what_is_no_history_is_no_pass() {
    let backwards = Range { start: 3, end: 2 };
    let script = Script::new().refresh(backwards, 0, issued(1));
    assert!(matches!(script.fails(), Violation::NotAHistory(_)));
    let mut never_opened = Script::new().refresh(2..3, 0, issued(1));
    never_opened.operations.remove(0);
    assert!(matches!(never_opened.fails(), Violation::NotAHistory(_)));
}

#[test]
fn j08_undecided_is_no_pass() {
    let script = Script::new().refresh(2..3, 0, issued(1));
    let judge = Judge {
        budget: 0,
        ..Judge::default()
    };
    let verdict = judge.check(&script.operations);
    assert!(matches!(verdict, Err(Violation::Undecided(SESSION, 0))));
    script.passes();
}
