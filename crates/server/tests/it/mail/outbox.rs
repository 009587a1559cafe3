//! Mail waits in the database: no stop and no crash loses it, and no account takes others' place.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tm_auth_core::Account;
use tm_auth_server::config::{Kek, Mail};

use super::account;
use crate::captured_log::CapturedLog;
use crate::support::smtp_server::{Behaviour, Received, SmtpServer};
use crate::support::{TestKey, TestServer, eventually, execute, rows};

const OWNER: &str = "owner@example.com";

async fn start(mail: Mail) -> TestServer {
    TestServer::start_with(|config| config.mail = mail).await
}

async fn patch(server: &TestServer, owner: &Account, key: &TestKey, label: &str) -> u16 {
    let path = format!("/api-keys/{}", key.id());
    let body = json!({ "label": label });
    let answer = server.manage(owner, Method::PATCH, &path, Some(body)).await;
    answer.status
}

async fn ask(server: &TestServer, email: &str) {
    let answer = server.post("/email/otc", &json!({ "email": email })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn waiting(server: &TestServer) -> usize {
    rows(server, "SELECT id FROM outbox").len()
}

fn has_subject(mail: &Received, subject: &str) -> bool {
    mail.data.contains(&format!("Subject: {subject}"))
}

/// The `Message-ID` of a mail.
fn message_id(mail: &Received) -> String {
    let line = mail.data.lines().find(|line| line.starts_with("Message-ID: "));
    line.unwrap().to_owned()
}

/// A code, a notice, and a reminder that wait for a server that is down.
async fn three_mails(server: &TestServer) {
    let owner = account(server, OWNER).await;
    let key = TestKey::unregistered(&owner);
    let mut body = key.registration(server.issuer(), server.now());
    body["expires_at"] = json!((server.now() + SignedDuration::from_hours(30 * 24 + 1)).to_string());
    let answer = server.manage(&owner, Method::POST, "/api-keys", Some(body)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

async fn q11_survives(kill: bool) {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    smtp.down().await;
    let settings = smtp.settings();
    let server = start(settings.clone()).await;
    three_mails(&server).await;
    assert_eq!(waiting(&server), 1);
    let end = async |server: TestServer| {
        if kill {
            server.kill().await
        } else {
            server.stop().await
        }
    };
    // After a restart the node finds the reminder, and does not lose the notice.
    let (folder, clock) = end(server).await;
    clock.advance(SignedDuration::from_hours(2));
    let server = TestServer::start_in(folder, clock, |config| config.mail = settings.clone()).await;
    eventually(async || (waiting(&server) == 2).then_some(())).await;
    ask(&server, "ada@example.com").await;
    assert_eq!(waiting(&server), 3);
    let (folder, clock) = end(server).await;
    // A dead node's leases end after two minutes.
    if kill {
        clock.advance(SignedDuration::from_mins(3));
    }
    smtp.up().await;
    let server = TestServer::start_in(folder, clock, |config| config.mail = settings).await;
    let mut mails = Vec::new();
    for _ in 0..3 {
        mails.push(smtp.mail().await);
    }
    for (subject, to) in [
        ("Log in to True Markets UAT", "ada@"),
        ("An API key was created (True Markets UAT)", "owner@"),
        ("An API key expires within 30 days (True Markets UAT)", "owner@"),
    ] {
        let mail = mails.iter().find(|mail| has_subject(mail, subject));
        assert!(mail.unwrap().to[0].contains(to), "{subject}");
    }
    eventually(async || (waiting(&server) == 0).then_some(())).await;
    server.stop().await;
    assert!(!smtp.has_mail(), "a mail came twice");
}

#[tokio::test]
async fn q11_a_stop_and_a_restart_with_a_dead_mail_server_lose_nothing() {
    q11_survives(false).await;
}

#[tokio::test]
async fn q11_a_crash_with_a_dead_mail_server_loses_nothing() {
    q11_survives(true).await;
}

#[tokio::test]
async fn q11_a_waiting_code_needs_the_key_encryption_key_under_which_it_was_sealed() {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    smtp.down().await;
    let settings = smtp.settings();
    let log = CapturedLog::start();
    let server = start(settings.clone()).await;
    ask(&server, "ada@example.com").await;
    let old = server.config.keys.kek.clone();
    let new = Kek::new(std::array::from_fn(|index| {
        u8::try_from(index * 11 % 253).unwrap()
    }))
    .unwrap();
    let (folder, clock) = server.stop().await;
    let server = TestServer::start_in(folder, clock, |config| {
        config.mail = settings.clone();
        config.keys.kek = new.clone();
        config.keys.previous_kek = Some(old);
    })
    .await;
    execute(&server, "CREATE TABLE copy AS SELECT * FROM outbox").unwrap();
    execute(&server, "UPDATE copy SET due_at = 0, leased_by = NULL").unwrap();
    server.signing_keys().rewrap(server.now()).await.unwrap();
    smtp.up().await;
    assert!(smtp.mail().await.to[0].contains("ada@"));
    let (folder, clock) = server.stop().await;
    let server = TestServer::start_in(folder, clock, |config| {
        config.mail = settings;
        config.keys.kek = new;
    })
    .await;
    execute(&server, "INSERT INTO outbox SELECT * FROM copy").unwrap();
    eventually(async || log.text().contains(r#""reason":"unreadable""#).then_some(())).await;
    eventually(async || (waiting(&server) == 0).then_some(())).await;
    server.stop().await;
    assert!(!smtp.has_mail());
}

#[tokio::test]
async fn q11_a_mail_that_is_sent_twice_has_one_message_id() {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    smtp.down().await;
    let server = start(smtp.settings()).await;
    ask(&server, "ada@example.com").await;
    execute(&server, "CREATE TABLE copy AS SELECT * FROM outbox").unwrap();
    smtp.up().await;
    let first = smtp.mail().await;
    eventually(async || (waiting(&server) == 0).then_some(())).await;
    // As if the node had died before it removed the mail.
    execute(&server, "UPDATE copy SET due_at = 0, leased_by = NULL").unwrap();
    execute(&server, "INSERT INTO outbox SELECT * FROM copy").unwrap();
    let second = smtp.mail().await;
    assert_eq!(message_id(&first), message_id(&second));
    server.stop().await;
}

#[tokio::test]
async fn q10_an_account_that_changes_keys_without_end_delays_no_other_mail() {
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    smtp.down().await;
    let server = start(smtp.settings()).await;
    let loud = account(&server, "loud@example.com").await;
    let key = server.key_of(&loud).await;
    let mut statuses = BTreeSet::new();
    for round in 0..200 {
        statuses.insert(patch(&server, &loud, &key, &format!("bot {round}")).await);
        server.clock.advance(SignedDuration::from_millis(500));
    }
    assert_eq!(statuses, BTreeSet::from([200, 429]));
    // All of it waits in a bounded number of rows.
    assert_eq!(waiting(&server), 50);
    let quiet = account(&server, "quiet@example.com").await;
    server.key_of(&quiet).await;
    ask(&server, "ada@example.com").await;
    smtp.up().await;
    // The code and the other account's notice are among the first mails.
    let mut first = Vec::new();
    for _ in 0..7 {
        first.push(smtp.mail().await.to[0].clone());
    }
    for to in ["quiet@", "ada@"] {
        assert!(first.iter().any(|first| first.contains(to)), "{to}: {first:?}");
    }
    assert_eq!(first.iter().filter(|to| to.contains("loud@")).count(), 5);
    // What remains comes as one mail.
    eventually(async || {
        let held = rows(&server, "SELECT id FROM outbox WHERE held = 1").len();
        (held == waiting(&server)).then_some(())
    })
    .await;
    let held = waiting(&server);
    server.advance(120);
    let mail = smtp.mail().await;
    assert!(
        mail.data.contains("changes were made to your account"),
        "{}",
        mail.data
    );
    assert_eq!(held, 45);
    eventually(async || (waiting(&server) == 0).then_some(())).await;
    server.stop().await;
    assert!(!smtp.has_mail());
}

#[tokio::test]
async fn q12_an_accounts_notices_beyond_five_come_in_one_mail() {
    let server = TestServer::start().await;
    let owner = account(&server, OWNER).await;
    let key = server.key_of(&owner).await;
    for round in 1..40 {
        server.clock.advance(SignedDuration::from_millis(100));
        assert_eq!(patch(&server, &owner, &key, &format!("bot {round}")).await, 200);
    }
    assert_eq!(server.inbox(OWNER).len(), 5);
    // Another account is not affected.
    let other = account(&server, "other@example.com").await;
    server.key_of(&other).await;
    assert_eq!(server.inbox("other@example.com").len(), 1);
    server.advance(110);
    server.key().await;
    assert_eq!(server.inbox(OWNER).len(), 5);
    server.advance(10);
    server.key().await;
    let mails = server.inbox(OWNER);
    assert_eq!(mails.len(), 6);
    let mail = &mails[0];
    assert_eq!(
        mail.subject,
        "35 changes were made to your account (True Markets UAT)"
    );
    for part in [
        "35 changes were made to your account:\n",
        "15 January 2027, 08:00 UTC, from this machine: The API key \u{201c}\u{2068}bot 5\u{2069}\u{201d} was changed",
        "\u{2068}bot 24\u{2069}",
        "This e-mail does not list 15 more of them.",
        "If this was not you",
        &format!("{}/activity", server.origin),
    ] {
        assert!(mail.text.contains(part), "{part} is missing in:\n{}", mail.text);
    }
    assert!(!mail.text.contains("bot 25") && mail.html.contains("<bdi>bot 24</bdi>"));
    assert_eq!(waiting(&server), 0);
    // Ten minutes later single mails come again.
    server.advance(600);
    assert_eq!(patch(&server, &owner, &key, "last").await, 200);
    assert_eq!(
        server.inbox(OWNER)[0].subject,
        "An API key was renamed (True Markets UAT)"
    );
}

#[tokio::test]
async fn q13_nodes_that_share_a_database_send_each_mail_once() {
    if matches!(crate::DATABASE, crate::support::Database::Sqlite) {
        // One server per database.
        return;
    }
    let mut smtp = SmtpServer::start(Behaviour::default()).await;
    smtp.down().await;
    let settings = smtp.settings();
    let server = TestServer::start_with(|config| {
        config.mail = settings;
        config.limits.codes_per_network_per_hour = 60_000;
    })
    .await;
    let nodes = [
        server.another_node().await,
        server.another_node().await,
        server.another_node().await,
    ];
    let count = 60;
    for number in 0..count {
        ask(&server, &format!("user{number}@example.com")).await;
    }
    smtp.up().await;
    let mut recipients = BTreeSet::new();
    for _ in 0..count {
        recipients.insert(smtp.mail().await.to[0].clone());
    }
    assert_eq!(recipients.len(), count);
    eventually(async || (waiting(&server) == 0).then_some(())).await;
    for node in nodes {
        node.stop().await;
    }
    server.stop().await;
    assert!(!smtp.has_mail(), "a mail came twice");
}
