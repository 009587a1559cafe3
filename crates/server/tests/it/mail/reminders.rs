//! Reminders before a key expires.

use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tm_auth_core::Account;
use tm_auth_server::mail::Delivered;

use super::account;
use crate::support::{TestKey, TestServer, eventually, rows};

const OWNER: &str = "owner@example.com";

/// Registers a key that expires in `hours` hours minus `less` seconds.
async fn key(server: &TestServer, owner: &Account, hours: i64, less: i64) {
    let key = TestKey::unregistered(owner);
    let mut body = key.registration(server.issuer(), server.now());
    let end = server.now() + SignedDuration::from_hours(hours) - SignedDuration::from_secs(less);
    body["expires_at"] = json!(end.to_string());
    let answer = server.manage(owner, Method::POST, "/api-keys", Some(body)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn reminders(server: &TestServer, address: &str) -> Vec<Arc<Delivered>> {
    let mut mails = server.inbox(address);
    mails.retain(|mail| mail.subject.starts_with("An API key expires"));
    mails
}

#[tokio::test]
async fn c10_an_owner_is_reminded_30_7_and_1_day_before_a_key_expires() {
    let mut server = TestServer::start().await;
    let owner = account(&server, OWNER).await;
    key(&server, &owner, 100 * 24, 2).await;
    let end = server.now() + SignedDuration::from_hours(100 * 24) - SignedDuration::from_secs(2);
    for (number, (hours, within)) in [
        (69 * 24, None),
        (24, Some("30 days")),
        (1, None),
        (22 * 24 - 1, None),
        (24, Some("7 days")),
        (5 * 24, None),
        (24, Some("a day")),
        (1, None),
        (23, None),
    ]
    .into_iter()
    .enumerate()
    {
        // The reminder of this other user's key is the last one of the round.
        let marker = format!("marker{number}@example.com");
        let other = account(&server, &marker).await;
        key(&server, &other, 30 * 24 + hours, 1).await;
        // A node sends due reminders when it starts. Its mailbox starts empty.
        let (folder, clock) = server.stop().await;
        clock.advance(SignedDuration::from_hours(hours));
        server = TestServer::start_in(folder, clock, |_| {}).await;
        eventually(async || {
            let is_empty = rows(&server, "SELECT id FROM outbox").is_empty();
            (is_empty && !reminders(&server, &marker).is_empty()).then_some(())
        })
        .await;

        let mails = reminders(&server, OWNER);
        let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.clone()).collect();
        let expected = within.map(|within| format!("An API key expires within {within} (True Markets UAT)"));
        assert_eq!(
            subjects,
            expected.into_iter().collect::<Vec<_>>(),
            "round {number}"
        );
        for mail in mails {
            let instant = end.strftime("%-d %B %Y, %H:%M:%S UTC").to_string();
            assert!(
                mail.text.contains(&instant) && mail.html.contains(&instant),
                "{}",
                mail.text
            );
            assert!(
                mail.text.contains(&format!("{}/api-keys", server.origin)),
                "{}",
                mail.text
            );
        }
    }
}

#[tokio::test]
async fn c10_one_of_many_nodes_sends_a_reminder() {
    let server = TestServer::start().await;
    let owner = account(&server, OWNER).await;
    key(&server, &owner, 31 * 24, 1).await;
    server.advance(24 * 3600);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(server.another_node().await);
    }
    let sent =
        |nodes: &[TestServer]| -> usize { nodes.iter().map(|node| reminders(node, OWNER).len()).sum() };
    eventually(async || (sent(&nodes) > 0).then_some(())).await;
    nodes.push(server.another_node().await);
    let apps: Vec<_> = nodes.iter().map(|node| Arc::clone(&node.app)).collect();
    for node in nodes {
        node.stop().await;
    }
    let subjects = apps.iter().flat_map(|app| app.mailbox().unwrap());
    assert_eq!(
        subjects
            .filter(|mail| mail.to == OWNER && mail.subject.contains("30 days"))
            .count(),
        1
    );
}
