//! More requests for codes than the mail server takes.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::smtp_server::{Behaviour, SmtpServer};
use crate::support::{TestServer, at_once, rows};

const REQUESTS: usize = 1_200;
/// Capacity of the mail queue.
const QUEUE: usize = 1_000;
const DAY: i64 = 24 * 3600;

/// The mail server does not answer and the rate limit is high, so the queue must bound the flood.
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
    let mut answers = BTreeMap::new();
    for begin in (0..REQUESTS).step_by(100) {
        let requests = (begin..begin + 100).map(async |number| {
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
    assert!(served.abs_diff(QUEUE) < 20, "{answers:?}");
    // A refused request leaves no row.
    for table in ["email_codes", "email_code_events"] {
        assert_eq!(count(&server, table), served, "{table}");
    }

    server.advance(DAY + 1);
    let retention = server.app.retention();
    while server.store.sweep(server.now(), &retention).await.unwrap().more {}
    for table in ["email_codes", "email_code_events"] {
        assert_eq!(count(&server, table), 0, "{table}");
    }
}

fn count(server: &TestServer, table: &str) -> usize {
    rows(server, &format!("SELECT 1 FROM {table}")).len()
}
