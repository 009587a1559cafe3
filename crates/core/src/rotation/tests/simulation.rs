//! A thief and the owner at every distance, and any calls at random, under the rule of [`decide`]
//! and under the rule before it, which had no burst.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

/// The length of [`WINDOW`] in seconds.
const GRACE: i64 = 90;
/// Seconds between two calls.
const GAPS: [i64; 9] = [
    0,
    1,
    GRACE / 2,
    GRACE - 1,
    GRACE,
    GRACE + 1,
    2 * GRACE,
    3600,
    86_400,
];
/// The most calls after a pause longer than the reuse grace until a second holder is detected.
const MOST_LATE_CALLS: usize = 3;

type Rule = fn(&TokenFamily, i64, Timestamp, SignedDuration) -> Decision;

/// The rule as it was before the burst: every old counter but the parent is superseded soon.
fn without_burst(family: &TokenFamily, presented: i64, now: Timestamp, window: SignedDuration) -> Decision {
    let soon = now.duration_since(family.rotated_at) <= window;
    if presented < family.current && family.parent != Some(presented) {
        return if soon {
            Decision::Superseded
        } else {
            Decision::Reuse
        };
    }
    decide(family, presented, now, window)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Party {
    Owner,
    Thief,
}

/// A session that two parties use.
struct Shared {
    rule: Rule,
    family: TokenFamily,
    seconds: i64,
    held: [i64; 2],
    detected: bool,
}

impl Shared {
    /// The owner exchanges four tokens, `spacing` seconds apart. The thief has the token that is
    /// `behind` exchanges older than the newest.
    fn after_a_burst(rule: Rule, spacing: i64, behind: i64) -> Self {
        let mut shared = Self {
            rule,
            family: TokenFamily::start(at(0)),
            seconds: 0,
            held: [0, 0],
            detected: false,
        };
        for _ in 0..4 {
            shared.call(Party::Owner, spacing);
        }
        shared.held[Party::Thief as usize] = shared.family.current - behind;
        shared
    }

    /// A party refreshes `gap` seconds after the last call, and keeps its token if that is refused.
    fn call(&mut self, party: Party, gap: i64) {
        self.seconds += gap;
        let held = &mut self.held[party as usize];
        match (self.rule)(&self.family, *held, at(self.seconds), WINDOW) {
            Decision::Rotate { next, .. } | Decision::Reissue { next } => {
                self.family = next;
                *held = next.current;
            }
            Decision::Repeat => *held = self.family.current,
            Decision::Superseded => {}
            Decision::Reuse => self.detected = true,
        }
    }
}

/// Lets the parties take turns, each after its own pause. Returns the number of calls after a pause
/// longer than the reuse grace until the reuse is detected; `None`: not within 24 calls.
fn late_calls_until_detected(mut shared: Shared, first: Party, pauses: [i64; 2]) -> Option<usize> {
    let (mut party, mut late) = (first, 0);
    for _ in 0..24 {
        let pause = pauses[party as usize];
        late += usize::from(pause > GRACE);
        shared.call(party, pause);
        if shared.detected {
            return Some(late);
        }
        party = match party {
            Party::Owner => Party::Thief,
            Party::Thief => Party::Owner,
        };
    }
    None
}

/// Every pair of pauses, either party first, and every token of the burst in the thief's hands.
/// Both parties late: detected within three late calls. Detected before: detected now, as early.
/// Undetected, before as now: one party always comes soon after the other.
#[test]
fn e19_a_thief_who_was_detected_before_the_burst_rule_is_detected_now() {
    let (mut detected, mut undetected) = (0, 0);
    for spacing in [0, 1, GRACE / 2, GRACE, GRACE + 1] {
        for behind in 0..=4 {
            for (owner, thief) in pairs() {
                for first in [Party::Owner, Party::Thief] {
                    let calls = |rule| {
                        let shared = Shared::after_a_burst(rule, spacing, behind);
                        late_calls_until_detected(shared, first, [owner, thief])
                    };
                    let (before, now) = (calls(without_burst), calls(decide));
                    let case = format!("{spacing} {behind} {owner} {thief} {first:?}: {before:?} {now:?}");
                    if before.is_some() {
                        assert!(now.is_some_and(|late| late <= MOST_LATE_CALLS), "{case}");
                        detected += 1;
                    } else {
                        assert!(owner <= GRACE || thief <= GRACE, "{case}");
                        undetected += 1;
                    }
                }
            }
        }
    }
    assert!(detected > 500 && undetected > 500, "{detected} {undetected}");
}

fn pairs() -> impl Iterator<Item = (i64, i64)> {
    GAPS.into_iter()
        .flat_map(|owner| GAPS.into_iter().map(move |thief| (owner, thief)))
}

/// Any six calls of the two parties in any order, each soon or late. Whatever happened before:
/// three late calls of alternating parties end the session.
#[test]
fn e19_three_late_calls_in_turns_detect_a_second_holder_whatever_happened_before() {
    const CALLS: u32 = 6;
    let gaps = [1, GRACE, GRACE + 1];
    let choices = 2 * gaps.len();
    for (behind, code) in (0..=4).flat_map(|behind| (0..choices.pow(CALLS)).map(move |code| (behind, code))) {
        let mut code = code;
        let mut shared = Shared::after_a_burst(decide, 10, behind);
        let mut turns = Vec::new();
        for _ in 0..CALLS {
            let party = [Party::Owner, Party::Thief][code % 2];
            let gap = gaps[code / 2 % gaps.len()];
            code /= choices;
            shared.call(party, gap);
            if shared.detected {
                break;
            }
            turns.push((party, gap));
            let in_turns = turns.last_chunk::<MOST_LATE_CALLS>().is_some_and(|last| {
                let late = last.iter().all(|(_, gap)| *gap > GRACE);
                late && last[0].0 != last[1].0 && last[0].0 == last[2].0
            });
            assert!(!in_turns, "{behind} behind: {turns:?}");
        }
    }
}

proptest! {
    /// In every reachable state the rule differs from the one without the burst in one case only: a
    /// token that was refused although the session went on gets the current token. So nothing that
    /// ended a session before is accepted now. Counters only increase, none is issued as new twice,
    /// and a repeated answer goes only to a token that was exchanged within the reuse grace.
    #[test]
    fn e06_e19_any_sequence_of_calls_keeps_the_rules(
        calls in proptest::collection::vec((-1_i64..6, prop_oneof![0_i64..3, 0_i64..200]), 1..80),
    ) {
        let mut family = TokenFamily::start(at(0));
        let mut issued = HashSet::from([0]);
        let mut exchanged: BTreeMap<i64, i64> = BTreeMap::new();
        let mut time = 0;
        for (behind, gap) in calls {
            time += gap;
            let before = family;
            // Negative: from the future, as after the loss of the last commits.
            let presented = before.current - behind;
            let old = without_burst(&before, presented, at(time), WINDOW);
            let decision = present(&mut family, presented, time);
            prop_assert!(decision == old || (old, decision) == (Decision::Superseded, Decision::Repeat));
            match decision {
                Decision::Rotate { next, .. } | Decision::Reissue { next } => {
                    prop_assert!(next.current > before.current);
                    prop_assert!(next.parent.unwrap() < next.current);
                    prop_assert!(issued.insert(next.current));
                    exchanged.insert(presented, time);
                }
                Decision::Repeat => {
                    prop_assert!(issued.contains(&before.current));
                    prop_assert!(time - exchanged[&presented] <= GRACE);
                    prop_assert_eq!(family, before);
                }
                Decision::Superseded | Decision::Reuse => prop_assert_eq!(family, before),
            }
            prop_assert!(family.burst_oldest <= family.current);
            prop_assert!(family.burst_began_at <= family.rotated_at);
            for counter in family.burst_oldest..family.current {
                prop_assert!(at(exchanged[&counter]) >= family.burst_began_at);
            }
        }
    }

    /// Threads that share one session refresh at an expiry. Each presents a token that was the
    /// newest at some moment of the burst, at most the reuse grace after the first exchange. All get
    /// a token.
    #[test]
    fn e19_nothing_is_refused_within_a_burst(
        bursts in proptest::collection::vec(
            (GRACE + 1..100_000, proptest::collection::vec((0_i64..8, 0_i64..=GRACE), 1..100)),
            1..4,
        ),
    ) {
        let mut family = TokenFamily::start(at(0));
        let mut begin = 0;
        for (pause, mut calls) in bursts {
            begin += pause;
            calls.sort_by_key(|(_, delay)| *delay);
            // The first call finds what every thread holds after the last burst: the newest token.
            let first = family.current;
            for (behind, delay) in calls {
                let presented = (family.current - behind).max(first);
                let decision = present(&mut family, presented, begin + delay);
                let granted = matches!(decision, Decision::Rotate { fast_forward: false, .. } | Decision::Repeat);
                prop_assert!(granted, "{presented} of {family:?} at {delay}: {decision:?}");
            }
            begin += GRACE;
        }
    }

    /// Two parties hold the same token and refresh in turns, more than the reuse grace apart. The
    /// session ends within three calls after the first.
    #[test]
    fn e02_a_thief_and_the_owner_who_refresh_in_turns_are_detected(
        gaps in proptest::collection::vec(91_i64..1_000_000, 3),
    ) {
        let mut shared = Shared::after_a_burst(decide, 10, 0);
        for (turn, gap) in std::iter::once(&91).chain(&gaps).enumerate() {
            shared.call([Party::Owner, Party::Thief][turn % 2], *gap);
        }
        prop_assert!(shared.detected);
    }
}
