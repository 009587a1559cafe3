//! Every refused answer counts against the network of its caller, at every endpoint.

use serde_json::Value;

use super::{ADD, SIGN_IN, SIGN_UP, STEP_UP};
use crate::support::authenticator::{Authenticator, USER_VERIFIED};
use crate::support::{TestServer, Visitor};

/// Failures of one network in five minutes.
const MOST_FAILURES: usize = 30;

/// An answer that is refused: without user verification, or without a signature.
async fn bad_answer(visitor: &mut Visitor<'_>, path: &str, origin: &str) -> Value {
    let options = visitor.begin(path).await;
    let mut authenticator = Authenticator::new();
    if [SIGN_UP, ADD].contains(&path) {
        let mut made = authenticator.create(&options, origin);
        made.flags &= !USER_VERIFIED;
        made.answer()
    } else {
        authenticator.get(&options, origin).answer_with(b"guess")
    }
}

#[tokio::test]
async fn g15_refused_answers_of_all_endpoints_share_one_limit() {
    for failing in [SIGN_UP, ADD, SIGN_IN, STEP_UP] {
        let server = TestServer::start().await;
        let mut authenticator = Authenticator::new();
        let (account, mut visitor) = server.with_address(&mut authenticator).await;
        for _ in 0..MOST_FAILURES {
            let answer = bad_answer(&mut visitor, failing, &server.origin).await;
            let answer = visitor.finish(failing, &answer).await;
            answer.assert_error(400, "passkey_refused");
        }
        // Valid and invalid answers are refused alike, from another browser too.
        let answer = bad_answer(&mut visitor, failing, &server.origin).await;
        let answer = visitor.finish(failing, &answer).await;
        answer.assert_error(429, "rate_limited");
        let answer = visitor
            .create(ADD, &mut Authenticator::new(), &server.origin)
            .await;
        answer.assert_error(429, "rate_limited");
        let answer = visitor
            .use_passkey(STEP_UP, &mut authenticator, &server.origin)
            .await;
        answer.assert_error(429, "rate_limited");
        let mut other = server.visitor();
        let answer = other
            .use_passkey(SIGN_IN, &mut authenticator, &server.origin)
            .await;
        answer.assert_error(429, "rate_limited");
        let answer = other
            .create(SIGN_UP, &mut Authenticator::new(), &server.origin)
            .await;
        answer.assert_error(429, "rate_limited");
        assert_eq!(server.store.accounts().await.unwrap().len(), 1);
        assert_eq!(server.store.passkeys_of(account.uid).await.unwrap().len(), 1);

        server.advance(300);
        let answer = other
            .use_passkey(SIGN_IN, &mut authenticator, &server.origin)
            .await;
        assert_eq!(answer.status, 200, "{failing}: {answer:?}");
        let answer = other.create(ADD, &mut Authenticator::new(), &server.origin).await;
        assert_eq!(answer.status, 201, "{failing}: {answer:?}");
    }
}

#[tokio::test]
async fn g15_an_expired_ceremony_counts_as_a_failure_and_a_reached_sign_up_limit_does_not() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    server.signed_up(&mut authenticator).await;
    let mut visitor = server.visitor();
    for _ in 1..20 {
        server.signed_up(&mut Authenticator::new()).await;
    }
    for _ in 0..MOST_FAILURES {
        let answer = visitor
            .create(SIGN_UP, &mut Authenticator::new(), &server.origin)
            .await;
        answer.assert_error(429, "rate_limited");
    }
    let answer = visitor
        .use_passkey(SIGN_IN, &mut authenticator, &server.origin)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");

    let options = visitor.begin(SIGN_UP).await;
    let mut made = Authenticator::new().create(&options, &server.origin);
    made.flags &= !USER_VERIFIED;
    let answer = made.answer();
    let first = visitor.finish(SIGN_UP, &answer).await;
    first.assert_error(400, "passkey_refused");
    for _ in 1..MOST_FAILURES {
        let again = visitor.finish(SIGN_UP, &answer).await;
        again.assert_error(400, "ceremony_over");
    }
    let answer = visitor
        .use_passkey(SIGN_IN, &mut authenticator, &server.origin)
        .await;
    answer.assert_error(429, "rate_limited");
}
