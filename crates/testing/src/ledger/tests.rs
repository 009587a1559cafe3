use tm_auth_proto::SessionId;
use uuid::Uuid;

use super::*;
use crate::history::Answer;
use crate::ports;

#[tokio::test]
async fn a_request_that_was_not_sent_is_not_in_the_history() {
    let closed_port = format!("http://127.0.0.1:{}", ports::free());
    let client = RetryingClient::new(&[closed_port]);
    let held = HeldToken {
        session: SessionId(Uuid::from_u128(1)),
        counter: 0,
        refresh_token: "a token".into(),
    };
    let three_failures = async {
        while client.counts().unsent < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = client.refresh(&held) => panic!("no server runs: {answer:?}"),
        () = three_failures => {}
    }
    assert_eq!(client.counts().unknown(), 0);
    // The history has at most the attempt that was in flight when the test cancelled it.
    let history = client.history();
    assert!(history.len() <= 1 && history.iter().all(|call| call.answer == Answer::Unknown));
}
