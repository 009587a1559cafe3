//! Random executions of the model with random overlap, and a comparison of the search with one that
//! tries every order.

use proptest::prelude::*;

use super::*;
use crate::history::model::{Reply, State};

/// One call of a random execution.
#[derive(Clone, Debug)]
struct Sample {
    /// 0 ends the session, 1 revokes the key, any other value refreshes.
    kind: u8,
    /// How far the presented counter is behind the newest.
    back: i64,
    /// Seconds since the previous call.
    gap: i64,
    /// 0: no answer, takes effect. 1: no answer, no effect. Any other value: answered.
    fate: u8,
    /// How long before its effect the call begins. Two consecutive effects are 10 apart.
    before: u64,
    /// How long after its effect the call ends.
    after: u64,
}

fn sample(overlap: u64) -> impl Strategy<Value = Sample> {
    (
        0..40_u8,
        prop_oneof![4 => Just(0), 3 => Just(1), 1 => 2..4_i64],
        prop_oneof![6 => 0..3_i64, 1 => Just(91)],
        0..12_u8,
        0..=overlap,
        0..=overlap,
    )
        .prop_map(|(kind, back, gap, fate, before, after)| Sample {
            kind,
            back,
            gap,
            fate,
            before,
            after,
        })
}

/// Fewer than `limit` calls, each of which may overlap its neighbours.
fn samples(limit: usize, overlap: u64) -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec(sample(overlap), 1..limit)
}

/// Executes the calls one after another and records them as if they had overlapped.
fn execute(samples: &[Sample]) -> Vec<Operation> {
    let model = Model::new(at(0), Checker::default().lifetimes);
    let (mut state, mut seconds) = (model.start(), 0);
    let mut script = Script::new();
    // (instant, is an end, call). At the same instant, beginnings sort before ends.
    let mut events = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        seconds += sample.gap;
        let call = match sample.kind {
            0 => Call::EndSession { session: SESSION },
            1 => Call::RevokeKey { key: KEY },
            _ => Call::Refresh {
                session: SESSION,
                counter: (state.family.current - sample.back).max(0),
            },
        };
        let mut answer = Answer::Unknown;
        if sample.fate != 1 {
            let step = model
                .step(&state, &call, at(seconds))
                .expect("no token is newer than the row");
            state = step.next;
            if sample.fate != 0 {
                answer = answer_of(step.reply);
            }
        }
        script = script.at(seconds).call(0..0, call, answer);
        let effect = 100 + 10 * index as u64;
        events.push((effect - sample.before, false, index));
        events.push((effect + sample.after, true, index));
    }
    events.sort_unstable();
    for (event, (_, is_end, index)) in (2..).zip(events) {
        let operation = &mut script.operations[index + 1];
        if !is_end {
            operation.began = event;
        } else if operation.answer != Answer::Unknown {
            operation.ended = Some(event);
        }
    }
    script.operations
}

fn answer_of(reply: Reply) -> Answer {
    match reply {
        Reply::Issued(counter) => issued(counter),
        Reply::Done => Answer::Done,
        Reply::Refused(code) => refused(code),
    }
}

/// Answers to a refresh: possible ones, and `Done`, which no refresh can get.
fn other_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => (0..6_i64).prop_map(issued),
        1 => Just(refused(ErrorCode::RefreshSuperseded)),
        1 => Just(refused(ErrorCode::RefreshReused)),
        1 => Just(refused(ErrorCode::SessionEnded)),
        1 => Just(refused(ErrorCode::KeyRevoked)),
        1 => Just(Answer::Done),
    ]
}

/// The answered call that `which` selects, if any call was answered.
fn pick(operations: &mut [Operation], which: prop::sample::Index) -> Option<&mut Operation> {
    let mut answered: Vec<&mut Operation> = operations
        .iter_mut()
        .filter(|operation| {
            !matches!(operation.call, Call::Mint { .. }) && operation.answer != Answer::Unknown
        })
        .collect();
    (!answered.is_empty()).then(|| answered.swap_remove(which.index(answered.len())))
}

/// Whether any order explains the answers. Tries every order, without the rules that make the
/// search fast.
fn any_order(model: &Model, state: &State, rest: &[Operation]) -> bool {
    // The next call must have begun before this end; 0 if no answered call is left.
    let bound = rest
        .iter()
        .filter_map(|operation| operation.ended)
        .min()
        .unwrap_or(0);
    bound == 0
        || rest.iter().enumerate().any(|(index, operation)| {
            let Some(step) = model.step(state, &operation.call, operation.now) else {
                return false;
            };
            let explained = operation.answer == Answer::Unknown || step.reply.matches(&operation.answer);
            let mut others = rest.to_vec();
            others.remove(index);
            operation.began < bound && explained && any_order(model, &step.next, &others)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn j08_an_execution_of_the_model_passes_with_any_overlap(samples in samples(40, 35)) {
        let verdict = Checker::default().check(&execute(&samples));
        prop_assert!(verdict.is_ok(), "{}", verdict.unwrap_err());
    }

    /// Without overlap there is only one order, so every other answer is impossible.
    #[test]
    fn j08_one_altered_answer_fails(
        mut samples in samples(40, 4), which: prop::sample::Index, answer in other_answer(),
    ) {
        for sample in &mut samples {
            sample.fate = 2;
        }
        let mut operations = execute(&samples);
        let operation = pick(&mut operations, which).expect("all are answered");
        prop_assume!(operation.answer != answer);
        operation.answer = answer;
        prop_assert!(matches!(search_alone(&operations), SearchResult::NotLinearizable(_)));
        prop_assert!(Checker::default().check(&operations).is_err());
    }

    /// With any overlap and any lost answers, a counter that was never reached is impossible.
    #[test]
    fn j08_one_answer_out_of_reach_fails(samples in samples(40, 35), which: prop::sample::Index) {
        let mut operations = execute(&samples);
        let Some(operation) = pick(&mut operations, which) else {
            return Ok(());
        };
        operation.answer = issued(1000);
        prop_assert!(matches!(search_alone(&operations), SearchResult::NotLinearizable(_)));
        prop_assert!(Checker::default().check(&operations).is_err());
    }

    /// About half of these histories have an order.
    #[test]
    fn j08_the_search_agrees_with_trying_every_order(
        samples in samples(7, 35), altered in prop::option::of((any::<prop::sample::Index>(), other_answer())),
    ) {
        let mut operations = execute(&samples);
        if let Some((which, answer)) = altered
            && let Some(operation) = pick(&mut operations, which)
        {
            operation.answer = answer;
        }
        let model = Model::new(at(0), Checker::default().lifetimes);
        let expected = any_order(&model, &model.start(), &operations[1..]);
        let result = search_alone(&operations);
        prop_assert_eq!(matches!(result, SearchResult::Linearizable { .. }), expected, "{:?}", result);
    }
}
