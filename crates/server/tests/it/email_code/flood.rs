//! More requests for codes than the mail server takes.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::smtp_server::{Behaviour, SmtpServer};
use crate::support::{TestServer, at_once, eventually, fill_with_codes, rows};

const REQUESTS: usize = 1_200;
/// Codes that wait already.
const WAITING: usize = 9_000;
/// Room for further ones.
const ROOM: usize = 1_000;
/// Requests at the same time. They must not exceed the limit together.
const AT_ONCE: usize = 100;
const DAY: i64 = 24 * 3600;

/// The mail server does not answer and the rate limit is high, so the outbox must bound the flood.
#[tokio::test]
async fn i09_a_flood_of_code_requests_is_refused_and_leaves_nothing_behind() {
    let smtp = SmtpServer::start(Behaviour {
        silent_at: Some("EHLO"),
        ..Behaviour::default()
    })
    .await;
    let settings = smtp.settings();
    let server = TestServer::start_with(|config| {
        config.mail = settings;
        config.limits.codes_per_network_per_hour = 60_000;
    })
    .await;
    fill_with_codes(&server, WAITING);
    let mut answers = BTreeMap::new();
    for begin in (0..REQUESTS).step_by(AT_ONCE) {
        let requests = (begin..begin + AT_ONCE).map(async |number| {
            let body = json!({ "email": format!("user{number}@example.com") });
            server.post("/email/otc", &body).await
        });
        for answer in at_once(requests).await {
            if answer.status == 503 {
                answer.assert_error(503, "unavailable");
                assert_eq!(answer.header("retry-after"), "1");
            }
            *answers.entry(answer.status).or_insert(0) += 1;
        }
    }
    let served: usize = answers.get(&200).copied().unwrap_or(0);
    assert_eq!(served + answers[&503], REQUESTS, "{answers:?}");
    assert!(served <= ROOM, "{answers:?}");
    // A request that waits too long for its turn is refused too, and can be repeated.
    for number in served..=ROOM {
        let body = json!({ "email": format!("late{number}@example.com") });
        let answer = server.post("/email/otc", &body).await;
        assert_eq!(answer.status, if number < ROOM { 200 } else { 503 }, "{number}");
    }
    // A refused request leaves no row.
    for table in ["email_codes", "email_code_events"] {
        assert_eq!(count(&server, table), ROOM, "{table}");
    }

    server.advance(DAY + 1);
    let retention = server.app.retention();
    while server.store.sweep(server.now(), &retention).await.unwrap().more {}
    for table in ["email_codes", "email_code_events"] {
        assert_eq!(count(&server, table), 0, "{table}");
    }
    eventually(async || (count(&server, "outbox") == 0).then_some(())).await;
}

fn count(server: &TestServer, table: &str) -> usize {
    rows(server, &format!("SELECT 1 FROM {table}")).len()
}
