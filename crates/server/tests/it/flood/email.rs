//! Floods against one e-mail address. Its owner still gets codes, and can use them.

use serde_json::json;

use super::Levels;
use super::parties::{in_another_site, in_one_network, in_one_site, start_with_mail};
use crate::support::smtp_server::SmtpServer;
use crate::support::{Answer, TestServer, rows};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
/// The owner's network.
const HOME: &str = "203.0.113.9";

async fn ask(server: &TestServer, from: &str, email: &str) -> Answer {
    server
        .post_from(from, "/email/otc", &json!({ "email": email }))
        .await
}

async fn verify(server: &TestServer, from: &str, email: &str, code: &str) -> Answer {
    let body = json!({ "email": email, "code": code });
    server.post_from(from, "/email/otc/verify", &body).await
}

/// Waits for the next mail, which must be to this address, and returns its code.
async fn code_to(smtp: &mut SmtpServer, email: &str) -> String {
    let mail = smtp.mail().await;
    assert!(mail.to[0].contains(email), "{mail:?}");
    let is_code = |word: &&str| word.len() >= 9 && word.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let line = mail.data.lines().filter(|line| line.starts_with("    "));
    let code = line.map(str::trim).find(is_code);
    code.expect("the mail contains a code").to_owned()
}

/// A wrong code with as many digits.
fn other_than(code: &str) -> String {
    let last = code
        .chars()
        .next_back()
        .and_then(|digit| digit.to_digit(10))
        .unwrap();
    format!("{}{}", &code[..code.len() - 1], (last + 1) % 10)
}

pub(super) async fn codes_to_an_address() -> Levels {
    let (server, mut smtp) = start_with_mail(|_| {}).await;
    let mails = || rows(&server, "SELECT 1 FROM email_code_events WHERE kind = 'sent'").len();
    // The owner has logged in from home before.
    ask(&server, HOME, ADA).await;
    let code = code_to(&mut smtp, ADA).await;
    assert_eq!(verify(&server, HOME, ADA, &code).await.status, 200);
    server.advance(60);
    let before = mails();
    // One network: three mails a minute. Further requests are answered while a code can be used.
    for number in 0..10 {
        let answer = ask(&server, &in_one_network(number), ADA).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(mails(), before + 3);
    // One site: twenty a day.
    for number in 3..30 {
        let answer = ask(&server, &in_one_site(number), ADA).await;
        if number < 20 {
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            answer.assert_error(429, "rate_limited");
        }
    }
    assert_eq!(mails(), before + 20);
    // All sites: a hundred a day. The answer tells nothing about the address.
    for number in 0..150 {
        let answer = ask(&server, &in_another_site(number), ADA).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(mails(), 100);
    // The owner, and another address from a network of the flood, still get their codes.
    assert_eq!(ask(&server, HOME, ADA).await.status, 200);
    assert_eq!(mails(), 101);
    for _ in 1..100 {
        code_to(&mut smtp, ADA).await;
    }
    let code = code_to(&mut smtp, ADA).await;
    assert_eq!(verify(&server, HOME, ADA, &code).await.status, 200);
    assert_eq!(ask(&server, &in_another_site(0), BOB).await.status, 200);
    code_to(&mut smtp, BOB).await;
    &["address"]
}

pub(super) async fn wrong_codes_for_an_address() -> Levels {
    let (server, mut smtp) = start_with_mail(|_| {}).await;
    ask(&server, HOME, ADA).await;
    let of_ada = code_to(&mut smtp, ADA).await;
    ask(&server, HOME, BOB).await;
    let of_bob = code_to(&mut smtp, BOB).await;
    let thief = in_one_network(0);
    for _ in 0..5 {
        verify(&server, &thief, ADA, &other_than(&of_ada))
            .await
            .assert_error(401, "invalid_code");
    }
    // Beyond the limit of the code and the network, the right code is refused there.
    verify(&server, &thief, ADA, &of_ada)
        .await
        .assert_error(401, "invalid_code");
    // The same network can try a code of another address.
    assert_eq!(verify(&server, &thief, BOB, &of_bob).await.status, 200);
    // From everywhere, a hundred comparisons in all.
    for number in 0..40 {
        for _ in 0..4 {
            verify(&server, &in_another_site(number), ADA, &other_than(&of_ada))
                .await
                .assert_error(401, "invalid_code");
        }
    }
    verify(&server, "192.0.2.1", ADA, &of_ada)
        .await
        .assert_error(401, "invalid_code");
    // Later codes are longer, and work from any network.
    ask(&server, "192.0.2.1", ADA).await;
    let long = code_to(&mut smtp, ADA).await;
    assert_eq!(long.len(), "1234-5678-1234-5678".len());
    assert_eq!(verify(&server, "192.0.2.2", ADA, &long).await.status, 200);
    assert_eq!(verify(&server, HOME, ADA, &of_ada).await.status, 200);
    &["address and network"]
}
