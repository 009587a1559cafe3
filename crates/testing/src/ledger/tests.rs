use tm_auth_proto::SessionId;
use uuid::Uuid;

use super::*;
use crate::history::Answer;
use crate::ports;

#[tokio::test]
async fn a_request_that_nobody_took_is_no_part_of_the_history() {
    let nobody = format!("http://127.0.0.1:{}", ports::free());
    let caller = Caller::new(&[nobody]);
    let held = Held {
        session: SessionId(Uuid::from_u128(1)),
        counter: 0,
        refresh_token: "a token".into(),
    };
    let refused_thrice = async {
        while caller.counts().unsent < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = caller.refresh(&held) => panic!("nobody answers: {answer:?}"),
        () = refused_thrice => {}
    }
    assert_eq!(caller.counts().unknown(), 0);
    // At most the one that was on its way when the test ended it.
    let history = caller.history();
    assert!(history.len() <= 1 && history.iter().all(|call| call.answer == Answer::Unknown));
}
