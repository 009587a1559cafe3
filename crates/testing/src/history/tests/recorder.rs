//! Tests of the recorder.

use std::thread;

use super::*;

const CALL: Call = Call::Refresh {
    session: SESSION,
    counter: 0,
};

#[test]
fn a_call_without_an_answer_is_recorded_as_unknown_and_a_forgotten_call_is_not_recorded() {
    let recorder = Recorder::default();
    let cancelled = recorder.begin(at(0), CALL);
    recorder.begin(at(0), CALL).forget();
    recorder.begin(at(1), CALL).end(Answer::Unknown);
    recorder.begin(at(2), CALL).end(issued(1));
    drop(cancelled);
    let recorded = recorder.operations();
    let answers: Vec<_> = recorded.iter().map(|operation| &operation.answer).collect();
    assert_eq!(answers, [&Answer::Unknown, &Answer::Unknown, &issued(1)]);
    assert_eq!((recorded[0].ended, recorded[1].ended), (None, None));
    assert!(recorded[2].ended.unwrap() > recorded[2].began);
}

#[test]
fn every_event_has_its_own_index() {
    let recorder = Recorder::default();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| recorder.begin(at(0), CALL).end(Answer::Done)));
        }
    });
    let mut events: Vec<u64> = recorder
        .operations()
        .iter()
        .flat_map(|operation| [Some(operation.began), operation.ended])
        .flatten()
        .collect();
    events.sort_unstable();
    assert!(events.into_iter().eq(0..4000));
}
