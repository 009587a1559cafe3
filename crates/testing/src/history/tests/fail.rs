//! Histories that no correct service can produce.

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
    script.is_not_linearizable();
    // After the reuse grace period a second successor is correct, but only the next counter.
    let late = Script::new().refresh(2..3, 0, issued(1)).at(91);
    late.clone().refresh(4..5, 0, issued(2)).passes();
    late.clone().refresh(4..5, 0, issued(3)).is_not_linearizable();
    late.refresh(4..7, 0, issued(2))
        .refresh(5..6, 0, issued(3))
        .is_not_linearizable();
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
    let explanation = script.is_not_linearizable();
    assert!(matches!(script.fails(), Violation::NotLinearizable(SESSION, _)));
    // The explanation shows which calls have an order and which do not.
    assert!(explanation.contains("[   4,    5] refresh(1)"), "{explanation}");
    assert!(
        explanation.contains("The row is then at 2, parent Some(1)"),
        "{explanation}"
    );
    assert!(explanation.contains("[   6,    7] refresh(0)"), "{explanation}");
    assert!(
        explanation.ends_with("\n0 more answered calls follow"),
        "{explanation}"
    );
}

#[test]
fn j08_real_time_is_binding() {
    // Token 2 was issued before the only call that can create it began.
    let early = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 0, issued(2))
        .refresh(6..7, 1, issued(2));
    early.is_not_linearizable();
    // The same answers are correct if the two calls overlap.
    let overlapping = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..7, 0, issued(2))
        .refresh(5..6, 1, issued(2));
    overlapping.passes();
}

#[test]
fn j08_issued_after_an_acknowledged_revocation_fails() {
    let ended = Script::new().end(2..3, Answer::Done).refresh(4..5, 0, issued(1));
    assert!(matches!(ended.fails(), Violation::AfterRevocation(_)));
    ended.is_not_linearizable();
    let revoked = Script::new()
        .revoke(2..3, Answer::Done)
        .refresh(4..5, 0, issued(1));
    assert!(matches!(revoked.fails(), Violation::AfterRevocation(_)));
    revoked.is_not_linearizable();
    let minted = Script::new().revoke(2..3, Answer::Done).other_session(4..5);
    assert!(matches!(minted.fails(), Violation::AfterRevocation(_)));
    // This also applies to a retry.
    let repeated = Script::new()
        .refresh(2..3, 0, issued(1))
        .end(4..5, Answer::Done)
        .refresh(6..7, 0, issued(1));
    repeated.is_not_linearizable();
}

#[test]
fn j08_a_revocation_that_a_client_observed_stays() {
    // The revocation was not acknowledged, but a session was refused because of it. A later mint
    // with the same key must not succeed.
    let script = Script::new()
        .revoke(2..2, Answer::Unknown)
        .refresh(3..4, 0, refused(KeyRevoked))
        .other_session(5..6);
    assert!(matches!(script.fails(), Violation::AfterRevocation(_)));
    let same_session = Script::new()
        .end(2..2, Answer::Unknown)
        .refresh(3..4, 0, refused(SessionEnded))
        .refresh(5..6, 0, issued(1));
    assert!(matches!(same_session.fails(), Violation::AfterRevocation(_)));
    same_session.is_not_linearizable();
}

#[test]
fn j08_a_lost_acknowledged_rotation_fails() {
    // The row lost a rotation: token 0 gets its first successor again, token 0 rotates, or the
    // newest token is refused.
    let rotated = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 1, issued(2));
    rotated.clone().refresh(6..7, 0, issued(1)).is_not_linearizable();
    rotated.clone().refresh(6..7, 0, issued(3)).is_not_linearizable();
    rotated
        .refresh(6..7, 2, refused(RefreshSuperseded))
        .is_not_linearizable();
    // Token 1 was never issued. The service would fast-forward to it; the checker must not.
    Script::new().refresh(2..3, 1, issued(2)).is_not_linearizable();
}

#[test]
fn j08_a_lost_answer_explains_one_of_two_but_not_both() {
    let lost = Script::new().refresh(2..3, 0, issued(1)).lost(4, 1);
    let took_effect = lost.clone().refresh(5..6, 0, issued(2));
    let did_not = lost.refresh(5..6, 0, issued(1));
    took_effect.passes();
    did_not.passes();
    // The lost call may take effect after a later call, but its effect cannot be undone.
    did_not.refresh(7..8, 0, issued(2)).passes();
    took_effect.refresh(7..8, 0, issued(1)).is_not_linearizable();
    // One lost call does not rotate twice.
    let twice = Script::new().lost(2, 0).refresh(3..4, 2, issued(3));
    twice.is_not_linearizable();
}

#[test]
fn j08_a_lost_answer_explains_nothing_before_its_call() {
    let script = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 0, issued(2))
        .lost(6, 1);
    script.is_not_linearizable();
}

#[test]
fn j08_a_session_that_ends_without_a_reason_fails() {
    for code in [SessionEnded, KeyRevoked, RefreshReused, ErrorCode::SessionExpired] {
        Script::new()
            .refresh(2..3, 0, refused(code))
            .is_not_linearizable();
    }
    // A token that was exchanged within the reuse grace period is not refused.
    let burst = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 1, issued(2))
        .at(90);
    burst.clone().refresh(6..7, 0, issued(2)).passes();
    for refusal in [RefreshReused, RefreshSuperseded] {
        let refused = burst.clone().refresh(6..7, 0, refused(refusal));
        refused.is_not_linearizable();
    }
    // Within the reuse grace period an old token does not end the session.
    let soon = Script::new()
        .refresh(2..3, 0, issued(1))
        .refresh(4..5, 1, issued(2))
        .at(90)
        .refresh(6..7, 0, refused(RefreshReused));
    soon.is_not_linearizable();
}

#[test]
fn j08_tokens_of_another_session_fail() {
    let mut script = Script::new().other_session(2..3);
    script.session = SESSION;
    let mut script = script.refresh(4..5, 0, issued(1));
    let Some(Answer::Issued { session, .. }) = script
        .operations
        .last_mut()
        .map(|operation| &mut operation.answer)
    else {
        panic!("the last operation is a refresh");
    };
    *session = OTHER;
    assert!(matches!(script.fails(), Violation::OtherSession(_)));
}

#[test]
fn j08_an_invalid_history_does_not_pass() {
    let backwards = Range { start: 3, end: 2 };
    let script = Script::new().refresh(backwards, 0, issued(1));
    assert!(matches!(script.fails(), Violation::NotAHistory(_)));
    let mut never_opened = Script::new().refresh(2..3, 0, issued(1));
    never_opened.operations.remove(0);
    assert!(matches!(never_opened.fails(), Violation::NotAHistory(_)));
}

#[test]
fn j08_an_undecided_search_does_not_pass() {
    let script = Script::new().refresh(2..3, 0, issued(1));
    let checker = Checker {
        budget: 0,
        ..Checker::default()
    };
    let verdict = checker.check(&script.operations);
    assert!(matches!(verdict, Err(Violation::Undecided(SESSION, 0))));
    script.passes();
}
