use proptest::prelude::*;

use super::*;

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
                reissue_count: 1
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
            reissue_count: 0
        }
    );
}

#[test]
fn e02_e05_an_older_token_is_superseded_soon_and_ends_the_session_later() {
    let mut family = TokenFamily::start(at(0));
    present(&mut family, 0, 0);
    present(&mut family, 1, 10);
    assert_eq!(present(&mut family, 0, 100), Decision::Superseded);
    assert_eq!(present(&mut family, 0, 101), Decision::Reuse);
    assert_eq!(present(&mut family, -1, 101), Decision::Reuse);
}

#[test]
fn e12_a_counter_greater_than_current_fast_forwards() {
    let mut family = TokenFamily::start(at(0));
    let next = TokenFamily {
        current: 8,
        parent: Some(7),
        rotated_at: at(1),
        reissue_count: 0,
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

proptest! {
    /// Two parties hold the same token and refresh in turns, more than the reuse grace apart. The
    /// session ends within three calls after the first.
    #[test]
    fn e02_a_thief_and_the_owner_who_refresh_in_turns_are_detected(gaps in proptest::collection::vec(91_i64..1_000_000, 3)) {
        let mut family = TokenFamily::start(at(0));
        let mut held = [0, 0];
        let mut time = 0;
        let mut caught = false;
        for (turn, gap) in std::iter::once(&91).chain(&gaps).enumerate() {
            time += gap;
            match present(&mut family, held[turn % 2], time) {
                Decision::Rotate { next, .. } | Decision::Reissue { next } => held[turn % 2] = next.current,
                Decision::Repeat => held[turn % 2] = family.current,
                Decision::Superseded => prop_assert!(false, "the turns are longer than the reuse grace"),
                Decision::Reuse => { caught = true; break }
            }
        }
        prop_assert!(caught);
    }

    /// For any sequence of calls, `current` only increases, `parent` stays below it, and no counter
    /// is issued as new twice.
    #[test]
    fn e06_no_counter_is_issued_twice(calls in proptest::collection::vec((0_i64..12, 0_i64..200), 1..60)) {
        let mut family = TokenFamily::start(at(0));
        let mut issued = std::collections::HashSet::from([0]);
        let mut time = 0;
        for (presented, gap) in calls {
            time += gap;
            let before = family;
            match present(&mut family, presented, time) {
                Decision::Rotate { next, .. } | Decision::Reissue { next } => {
                    prop_assert!(next.current > before.current);
                    prop_assert!(next.parent.unwrap() < next.current);
                    prop_assert!(issued.insert(next.current));
                }
                Decision::Repeat => prop_assert!(issued.contains(&before.current)),
                Decision::Superseded | Decision::Reuse => prop_assert_eq!(family, before),
            }
        }
    }
}
