//! Wrong codes count per network in the database and do not lock the owner out.

use serde_json::json;

use super::{ADA, ask, ask_from, client_from, other_than, verify, verify_from};
use crate::support::{Answer, TestServer, at_once, rows};

const OWNER: &str = "127.0.1.1";
const THIEF: &str = "127.0.2.1";

#[tokio::test]
async fn f03_five_wrong_codes_from_one_network_block_only_that_network() {
    let server = TestServer::start().await;
    ask_from(&server, OWNER, ADA).await;
    let code = server.code_mail(ADA).code;
    for _ in 0..5 {
        verify_from(&server, THIEF, ADA, &other_than(&code))
            .await
            .assert_error(401, "invalid_code");
    }
    for _ in 0..2 {
        verify_from(&server, THIEF, ADA, &code)
            .await
            .assert_error(401, "invalid_code");
    }
    assert_eq!(verify_from(&server, OWNER, ADA, &code).await.status, 200);
}

#[tokio::test]
async fn f07_another_request_keeps_the_outstanding_code_and_its_failed_attempts() {
    let server = TestServer::start().await;
    ask_from(&server, OWNER, ADA).await;
    let first = server.code_mail(ADA).code;
    // `tm login --code` requests a code and verifies the first one. However often it does so, it
    // gets 200, and at most three mails within the minute.
    for _ in 0..9 {
        assert_eq!(ask_from(&server, OWNER, ADA).await.status, 200);
    }
    assert_eq!(server.inbox(ADA).len(), 3);
    assert_eq!(verify_from(&server, OWNER, ADA, &first).await.status, 200);

    server.advance(60);
    ask_from(&server, OWNER, ADA).await;
    let second = server.code_mail(ADA).code;
    for _ in 0..5 {
        verify_from(&server, OWNER, ADA, &other_than(&second)).await;
    }
    server.advance(60);
    ask_from(&server, OWNER, ADA).await;
    let third = server.code_mail(ADA).code;
    verify_from(&server, OWNER, ADA, &second)
        .await
        .assert_error(401, "invalid_code");
    assert_eq!(verify_from(&server, OWNER, ADA, &third).await.status, 200);
}

#[tokio::test]
async fn f07_a_fourth_outstanding_code_replaces_the_oldest() {
    let server = TestServer::start().await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        ask(&server, ADA).await;
        codes.push(server.code_mail(ADA).code);
        server.advance(60);
    }
    verify(&server, ADA, &codes[0])
        .await
        .assert_error(401, "invalid_code");
    for code in &codes[1..] {
        assert_eq!(verify(&server, ADA, code).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_i08_only_five_of_500_concurrent_guesses_on_three_nodes_are_compared() {
    let first = TestServer::start_with(|config| {
        // The limit under test is the database's, which all nodes share.
        config.limits.wrong_codes_per_network_per_5_minutes = 60_000;
    })
    .await;
    ask_from(&first, OWNER, ADA).await;
    let code = first.code_mail(ADA).code;
    let nodes = [&first, &first.another_node().await, &first.another_node().await];
    // The right code comes last, so wrong codes take the five comparisons.
    let guess = |number: usize| match number {
        499 => code.clone(),
        number => format!(
            "{:08}",
            (code.replace('-', "").parse::<usize>().unwrap() + 1 + number) % 100_000_000
        ),
    };
    let guesses: Vec<String> = (0..500).map(guess).collect();
    let attempts = guesses.iter().zip(nodes.iter().cycle());
    let thief = client_from(THIEF);
    let answers = at_once(attempts.map(async |(guess, node)| {
        let body = json!({ "email": ADA, "code": guess });
        let request = thief.post(node.url("/email/otc/verify")).json(&body);
        Answer::of(request.send().await.unwrap()).await
    }))
    .await;
    let compared = rows(
        &first,
        "SELECT count(*) FROM email_code_events WHERE kind = 'failed'",
    );
    let proved = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.assert_error(401, "invalid_code");
    }
    assert_eq!(proved, 0);
    assert_eq!(compared, [[5.into()]]);
    assert_eq!(verify_from(nodes[2], OWNER, ADA, &code).await.status, 200);
}

#[tokio::test]
async fn f05_d16_a_distributed_attack_makes_codes_longer_and_does_not_lock_the_owner_out() {
    let server = TestServer::start().await;
    // The owner has a key and a session from a login by e-mail.
    ask_from(&server, OWNER, ADA).await;
    let signed_in = verify_from(&server, OWNER, ADA, &server.code_mail(ADA).code).await;
    let account = server.store.accounts().await.unwrap().remove(0);
    let key = server.key_of(&account).await;
    server.advance(60);
    ask_from(&server, OWNER, ADA).await;
    let short = server.code_mail(ADA).code;
    assert_eq!(short.len(), 9);
    // Forty networks try five codes each and then request a code.
    let mut attempts = 0;
    for number in 1..=40 {
        let thief = format!("127.0.2.{number}");
        for _ in 0..5 {
            verify_from(&server, &thief, ADA, &other_than(&short))
                .await
                .assert_error(401, "invalid_code");
            attempts += 1;
        }
        ask_from(&server, &thief, ADA).await;
    }
    assert!(attempts >= 100);
    let compared = rows(
        &server,
        "SELECT sum(short_codes) <= 100 FROM email_code_events WHERE kind = 'failed'",
    );
    assert_eq!(
        compared,
        [[1.into()]],
        "the chance of a right guess is at most one in a million"
    );
    // The short code works only in the network that requested it.
    verify_from(&server, "127.0.2.99", ADA, &short)
        .await
        .assert_error(401, "invalid_code");
    server.advance(60);
    ask_from(&server, OWNER, ADA).await;
    let long = server.code_mail(ADA).code;
    assert_eq!(long.len(), 19, "1234-5678-1234-5678");
    assert_eq!(verify_from(&server, OWNER, ADA, &short).await.status, 200);
    // The long code works from any network.
    assert_eq!(verify_from(&server, "127.0.3.1", ADA, &long).await.status, 200);
    // The key and the session still work.
    server.mint(&key).await;
    assert_eq!(server.refresh(&signed_in.refresh_token()).await.status, 200);
    // A day later codes are short again.
    server.advance(86_400);
    ask_from(&server, OWNER, ADA).await;
    assert_eq!(server.code_mail(ADA).code.len(), 9);
}

#[tokio::test]
async fn f05_one_network_has_at_most_twenty_failed_attempts_an_hour() {
    let server = TestServer::start_with(|config| {
        config.limits.wrong_codes_per_network_per_5_minutes = 60_000;
    })
    .await;
    for round in 0..5 {
        ask_from(&server, OWNER, ADA).await;
        let code = server.code_mail(ADA).code;
        for _ in 0..5 {
            verify_from(&server, THIEF, ADA, &other_than(&code)).await;
        }
        let failed = rows(
            &server,
            "SELECT count(*) FROM email_code_events WHERE kind = 'failed'",
        );
        assert_eq!(failed, [[i64::from((round + 1) * 5).min(20).into()]]);
        server.advance(61);
    }
    // In the fifth round no code from that network is compared. The owner can still log in.
    let code = server.code_mail(ADA).code;
    verify_from(&server, THIEF, ADA, &code)
        .await
        .assert_error(401, "invalid_code");
    assert_eq!(verify_from(&server, OWNER, ADA, &code).await.status, 200);
}

#[tokio::test]
async fn d16_i07_one_network_tries_at_most_thirty_codes_in_five_minutes_over_all_addresses() {
    let server = TestServer::start().await;
    for number in 0..30 {
        let address = format!("user{number}@example.com");
        verify_from(&server, THIEF, &address, "12345678")
            .await
            .assert_error(401, "invalid_code");
    }
    verify_from(&server, THIEF, ADA, "12345678")
        .await
        .assert_error(429, "rate_limited");
    verify_from(&server, OWNER, ADA, "12345678")
        .await
        .assert_error(401, "invalid_code");
    server.advance(10);
    verify_from(&server, THIEF, ADA, "12345678")
        .await
        .assert_error(401, "invalid_code");
}
