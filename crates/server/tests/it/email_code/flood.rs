//! More wishes for codes than mail can leave.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::smtp_server::{Behaviour, SmtpServer};
use crate::support::{TestServer, at_once, rows};

const WISHES: usize = 1_200;
/// The mail queue's own bound.
const QUEUE: usize = 1_000;
const DAY: i64 = 24 * 3600;

/// The mail server is silent and no limit stops the flood: the queue and the database must bound
/// it.
#[tokio::test]
async fn i09_a_flood_of_wishes_is_refused_in_time_and_leaves_nothing_behind() {
    let smtp = SmtpServer::start(Behaviour {
        silent_at: Some("EHLO"),
        ..Behaviour::default()
    })
    .await;
    let settings = smtp.settings();
    let server = TestServer::start_with(|config| {
        config.mail = settings;
        config.limits.codes_per_address_per_hour = 60_000;
    })
    .await;
    let mut answers = BTreeMap::new();
    for begin in (0..WISHES).step_by(100) {
        let wishes = (begin..begin + 100).map(async |number| {
            let body = json!({ "email": format!("user{number}@example.com") });
            server.post("/email/otc", &body).await
        });
        for answer in at_once(wishes).await {
            if answer.status == 503 {
                answer.assert_error(503, "unavailable");
                assert_eq!(answer.header("retry-after"), "1");
            }
            *answers.entry(answer.status).or_insert(0) += 1;
        }
    }
    let served: usize = answers.get(&200).copied().unwrap_or(0);
    assert_eq!(served + answers[&503], WISHES, "{answers:?}");
    assert!(served.abs_diff(QUEUE) < 20, "{answers:?}");
    // A wish that was refused left no row.
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
