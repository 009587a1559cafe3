use super::*;

mod simulation;

const WINDOW: SignedDuration = SignedDuration::from_secs(90);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Presents counter `n` at `seconds` and stores the family's new state, as the store does.
fn present(family: &mut TokenFamily, n: i64, seconds: i64) -> Decision {
    let decision = decide(family, n, at(seconds), WINDOW);
    if let Decision::Rotate { next, .. } | Decision::Reissue { next } = decision {
        *family = next;
    }
    decision
}

#[test]
fn e01_the_newest_token_rotates() {
    let mut family = TokenFamily::start(at(0));
    let next = TokenFamily {
        current: 1,
        parent: Some(0),
        rotated_at: at(5),
        reissue_count: 0,
        burst_oldest: 0,
        burst_began_at: at(5),
    };
    assert_eq!(
        present(&mut family, 0, 5),
        Decision::Rotate {
            next,
            fast_forward: false
        }
    );
    assert_eq!(family, next);
}

#[test]
fn e03_the_parent_within_the_window_gets_the_same_successor() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    for seconds in [0, 1, 89, 90, -3600] {
        assert_eq!(present(&mut family, 0, seconds), Decision::Repeat, "{seconds}");
    }
}

#[test]
fn e04_the_parent_later_gets_another_successor_and_the_unused_one_is_invalid() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    assert_eq!(
        present(&mut family, 0, 91),
        Decision::Reissue {
            next: TokenFamily {
                current: 2,
                parent: Some(0),
                rotated_at: at(91),
                reissue_count: 1,
                burst_oldest: 2,
                burst_began_at: at(91),
            }
        }
    );
    // The invalid successor is refused if presented soon; later it ends the session.
    assert_eq!(present(&mut family, 1, 181), Decision::Superseded);
    assert_eq!(present(&mut family, 1, 182), Decision::Reuse);
}

#[test]
fn e04_the_fourth_reissue_in_a_row_ends_the_session() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    for round in 1..=3 {
        assert!(matches!(
            present(&mut family, 0, 100 * round),
            Decision::Reissue { .. }
        ));
        assert_eq!(family.reissue_count, round);
    }
    assert_eq!(present(&mut family, 0, 400), Decision::Reuse);
}

#[test]
fn e04_a_rotation_resets_the_count_of_reissues() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    present(&mut family, 0, 100);
    present(&mut family, 2, 200);
    assert_eq!(
        family,
        TokenFamily {
            current: 3,
            parent: Some(2),
            rotated_at: at(200),
            reissue_count: 0,
            burst_oldest: 2,
            burst_began_at: at(200),
        }
    );
}

#[test]
fn e05_a_token_older_than_the_parent_gets_the_current_one_until_its_exchange_is_past() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    present(&mut family, 1, 10);
    present(&mut family, 2, 20);
    let before = family;
    for n in [0, 1, 2] {
        assert_eq!(present(&mut family, n, 90), Decision::Repeat, "{n}");
    }
    // Token 0 was exchanged 91 seconds ago, so the burst is over. The parent has its own rule.
    assert_eq!(present(&mut family, 0, 91), Decision::Superseded);
    assert_eq!(present(&mut family, 2, 110), Decision::Repeat);
    assert_eq!(family, before);
}

#[test]
fn e02_e05_a_token_of_an_earlier_burst_is_superseded_soon_and_ends_the_session_later() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    present(&mut family, 1, 91);
    assert_eq!(present(&mut family, 0, 91), Decision::Superseded);
    assert_eq!(present(&mut family, 0, 181), Decision::Superseded);
    assert_eq!(present(&mut family, 0, 182), Decision::Reuse);
    assert_eq!(present(&mut family, -1, 182), Decision::Reuse);
}

#[test]
fn e19_a_burst_that_grows_too_old_goes_on_with_the_parent() {
    let mut family = TokenFamily::start(at(0));
    for (n, seconds) in [(0, 0), (1, 40), (2, 80), (3, 120)] {
        present(&mut family, n, seconds);
    }
    assert_eq!((family.burst_oldest, family.burst_began_at), (2, at(80)));
    assert_eq!(present(&mut family, 2, 170), Decision::Repeat);
    assert_eq!(present(&mut family, 1, 120), Decision::Superseded);
    // If the parent was exchanged too long ago as well, the burst begins with the presented token.
    present(&mut family, 4, 211);
    assert_eq!((family.burst_oldest, family.burst_began_at), (4, at(211)));
}

#[test]
fn e19_a_burst_never_reaches_over_an_invalidated_token() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    present(&mut family, 0, 91);
    // Token 1 was never exchanged: token 2 replaced it.
    for n in 2..5 {
        present(&mut family, n, 92);
        assert_eq!(present(&mut family, 2, 92), Decision::Repeat);
        assert_eq!(present(&mut family, 1, 92), Decision::Superseded);
        assert_eq!(present(&mut family, 0, 92), Decision::Superseded);
    }
    present(&mut family, 9, 93);
    assert_eq!(present(&mut family, 9, 93), Decision::Repeat);
    assert_eq!(present(&mut family, 4, 93), Decision::Superseded);
    assert_eq!(present(&mut family, 7, 93), Decision::Superseded);
}

#[test]
fn e19_a_clock_that_steps_back_does_not_prolong_the_burst() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 3600);
    present(&mut family, 1, 3601);
    present(&mut family, 2, 0);
    assert_eq!((family.burst_oldest, family.burst_began_at), (0, at(0)));
    assert_eq!(present(&mut family, 0, 90), Decision::Repeat);
    assert_eq!(present(&mut family, 0, 91), Decision::Reuse);
}

#[test]
fn e12_a_counter_greater_than_current_fast_forwards() {
    let mut family = TokenFamily::start(at(0));
    let next = TokenFamily {
        current: 8,
        parent: Some(7),
        rotated_at: at(1),
        reissue_count: 0,
        burst_oldest: 7,
        burst_began_at: at(1),
    };
    assert_eq!(
        present(&mut family, 7, 1),
        Decision::Rotate {
            next,
            fast_forward: true
        }
    );
    assert!(matches!(
        present(&mut family, i64::MAX, 2),
        Decision::Rotate {
            fast_forward: true,
            ..
        }
    ));
}
