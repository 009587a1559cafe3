//! How many mails a flood of requests sends.

use super::{ADA, ask_from, verify_from};
use crate::support::TestServer;

const HOME: &str = "127.0.1.1";
const THIEF: &str = "127.0.2.1";

#[tokio::test]
async fn f18_a_hundred_requests_send_five_mails_and_the_caller_is_told_to_wait() {
    let server = TestServer::start_with(|config| {
        config.limits.codes_per_network_per_hour = 60_000;
    })
    .await;
    for number in 0..100 {
        let answer = ask_from(&server, THIEF, ADA).await;
        // The five mails are sent within two minutes. Their codes work for ten minutes.
        if number * 30 < 120 + 600 {
            assert_eq!(answer.status, 200, "{number}: {answer:?}");
        } else {
            answer.assert_error(429, "rate_limited");
            let wait: i64 = answer.header("retry-after").parse().unwrap();
            assert_eq!(wait, 3_600 - number * 30, "until the first is an hour old");
        }
        server.advance(30);
    }
    // The requests last fifty minutes, and the limit is five mails an hour.
    assert_eq!(server.inbox(ADA).len(), 5);
    for _ in 0..20 {
        server.advance(3_600);
        ask_from(&server, THIEF, ADA).await;
    }
    assert_eq!(server.inbox(ADA).len(), 10, "in a day");
}

#[tokio::test]
async fn f18_beyond_thirty_mails_a_day_other_networks_get_long_codes() {
    let server = TestServer::start().await;
    ask_from(&server, HOME, ADA).await;
    assert_eq!(
        verify_from(&server, HOME, ADA, &server.code_mail(ADA).code)
            .await
            .status,
        200
    );
    for number in 1..=60 {
        server.advance(60);
        let thief = format!("127.0.2.{number}");
        assert_eq!(ask_from(&server, &thief, ADA).await.status, 200);
    }
    assert_eq!(server.inbox(ADA).len(), 61);
    let code = server.code_mail(ADA).code;
    assert_eq!(code.len(), "1234-5678-1234-5678".len(), "{code}");
    // Up to a hundred; the answer stays the same.
    for number in 61..=120 {
        let thief = format!("127.0.3.{number}");
        assert_eq!(ask_from(&server, &thief, ADA).await.status, 200);
    }
    assert_eq!(server.inbox(ADA).len(), 100);
    ask_from(&server, HOME, ADA).await;
    assert_eq!(server.inbox(ADA).len(), 101);
    assert_eq!(
        verify_from(&server, HOME, ADA, &server.code_mail(ADA).code)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn f18_one_network_causes_at_most_twenty_mails_an_hour() {
    let server = TestServer::start().await;
    for number in 0..30 {
        let answer = ask_from(&server, THIEF, &format!("user{number}@example.com")).await;
        // The limit depends on the network alone, so the refusal tells nothing about the address.
        if number < 20 {
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            answer.assert_error(429, "rate_limited");
            assert_eq!(answer.header("retry-after"), "180");
        }
    }
    assert_eq!(server.app.mailbox().unwrap().len(), 20);
    ask_from(&server, HOME, ADA).await;
    assert_eq!(server.inbox(ADA).len(), 1);
    server.advance(180);
    ask_from(&server, THIEF, "late@example.com").await;
    assert_eq!(server.inbox("late@example.com").len(), 1);
}
