//! Floods of what waits to be mailed or is written: the outbox, notices and the audit trail.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tm_auth_store::AuditAction;

use super::super::mail::account;
use super::Levels;
use super::parties::{in_another_site, in_one_site, start_with, start_with_mail};
use crate::support::{TestServer, execute, fill_with_codes, rows};

/// Codes that may wait.
const MOST_CODES: usize = 10_000;

async fn audited(server: &TestServer, action: AuditAction) -> usize {
    let trail = server.store.audit_trail(None, 10_000).await.unwrap();
    trail.iter().filter(|entry| entry.action == action).count()
}

async fn ask(server: &TestServer, from: &str, number: usize) -> crate::support::Answer {
    let body = json!({ "email": format!("user{number}@example.com") });
    server.post_from(from, "/email/otc", &body).await
}

pub(super) async fn mail() -> Levels {
    let (server, mut smtp) = start_with_mail(|_| {}).await;
    smtp.down().await;
    let owner = account(&server, "owner@example.com").await;
    let room = 10;
    fill_with_codes(&server, MOST_CODES - room);
    for number in 0..room + 3 {
        let answer = ask(&server, &in_another_site(number), number).await;
        if number < room {
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            answer.assert_error(503, "unavailable");
        }
    }
    let waiting = |kind: &str| rows(&server, &format!("SELECT 1 FROM outbox WHERE kind = '{kind}'")).len();
    assert_eq!(waiting("code"), MOST_CODES);
    // Notices have room of their own, and mints need no mail.
    let key = server.key_of(&owner).await;
    assert_eq!(waiting("notice"), 1);
    server.mint(&key).await;
    // A code that was mailed makes room for another party.
    let one = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE kind = 'code' LIMIT 1)";
    execute(&server, one).unwrap();
    assert_eq!(ask(&server, "192.0.2.1", 1_000).await.status, 200);
    mailbox().await;
    &["all"]
}

/// The mailbox keeps the newest 200 mails.
async fn mailbox() {
    let server = TestServer::start_with(|config| config.limits.codes_per_network_per_hour = 60_000).await;
    for number in 0..210 {
        let answer = ask(&server, "", number).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(server.app.mailbox().unwrap().len(), 200);
    assert_eq!(server.inbox("user209@example.com").len(), 1);
}

pub(super) async fn notices() -> Levels {
    let server = TestServer::start_with(|config| {
        config.limits.changes_per_account_per_minute = 60_000;
    })
    .await;
    let (loud, quiet) = ("loud@example.com", "quiet@example.com");
    let owner = account(&server, loud).await;
    let key = server.key_of(&owner).await;
    let path = format!("/api-keys/{}", key.id());
    for number in 1..100 {
        server.clock.advance(SignedDuration::from_millis(100));
        let body = json!({ "label": format!("bot {number}") });
        let changed = server.manage(&owner, Method::PATCH, &path, Some(body)).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    assert_eq!(server.inbox(loud).len(), 5);
    assert_eq!(rows(&server, "SELECT 1 FROM outbox").len(), 50);
    let other = account(&server, quiet).await;
    server.key_of(&other).await;
    assert_eq!(server.inbox(quiet).len(), 1);
    // The others come in one mail, which counts them all.
    server.advance(120);
    server.key_of(&other).await;
    let mails = server.inbox(loud);
    assert_eq!(mails.len(), 6);
    assert!(
        mails[0].subject.starts_with("95 changes "),
        "{}",
        mails[0].subject
    );
    &["account"]
}

/// A request that is refused because of its budget writes nothing.
pub(super) async fn audit_entries() -> Levels {
    let (server, _smtp) = start_with_mail(|config| {
        config.limits.wrong_codes_per_network_per_5_minutes = 4;
        config.limits.changes_per_account_per_minute = 11;
    })
    .await;
    // One network or site.
    ask(&server, "203.0.113.9", 0).await;
    let wrong = json!({ "email": "user0@example.com", "code": "12345678" });
    for number in 0..50 {
        server
            .post_from(&in_one_site(number), "/email/otc/verify", &wrong)
            .await;
    }
    assert_eq!(audited(&server, AuditAction::CodeRefused).await, 16);
    server
        .post_from(&in_another_site(0), "/email/otc/verify", &wrong)
        .await
        .assert_error(401, "invalid_code");
    assert_eq!(audited(&server, AuditAction::CodeRefused).await, 17);
    // One account.
    let (loud, quiet) = (server.key().await, server.key().await);
    let announced = || rows(&server, "SELECT 1 FROM changes").len();
    let before = announced();
    let change = async |key: &crate::support::TestKey, number: usize| {
        let path = format!("/api-keys/{}", key.id());
        let body = json!({ "label": format!("bot {number}") });
        let from = in_another_site(number);
        server
            .manage_from(&from, &key.account, Method::PATCH, &path, Some(&body))
            .await
            .status
    };
    for number in 0..50 {
        change(&loud, number).await;
    }
    assert_eq!(audited(&server, AuditAction::KeyChanged).await, 10);
    assert_eq!(announced(), before + 10);
    assert_eq!(change(&quiet, 0).await, 200);
    assert_eq!(audited(&server, AuditAction::KeyChanged).await, 11);
    &["as the requests that cause them"]
}

/// The clock stands still while the entries gather, and a stop writes them.
pub(super) async fn reached_limits() -> Levels {
    let change = |config: &mut tm_auth_server::Config| config.limits.requests_per_network_per_minute = 1;
    let server = start_with(change).await;
    let reach = async |server: &TestServer, site: usize| {
        let from = in_another_site(site);
        assert_eq!(server.get_from(&from, "/revocations").await.status, 200);
        let limited = server.get_from(&from, "/revocations").await;
        limited.assert_error(429, "rate_limited");
    };
    for site in 0..260 {
        reach(&server, site).await;
    }
    for network in 0..50 {
        let from = format!("2001:db8:10:{network:x}::1");
        let limited = server.get_from(&from, "/revocations").await;
        limited.assert_error(429, "rate_limited");
    }
    let config = server.config.clone();
    let (folder, clock) = server.stop().await;
    clock.advance(SignedDuration::from_mins(1));
    let server = TestServer::start_in(folder, clock, |new| {
        new.network.trusted_proxies = config.network.trusted_proxies;
        new.network.forwarded = config.network.forwarded;
        change(new);
    })
    .await;
    let entries = async |server: &TestServer| {
        let trail = server.store.audit_trail(None, 10_000).await.unwrap();
        let mut details: Vec<_> = trail
            .into_iter()
            .filter(|entry| entry.action == AuditAction::LimitReached)
            .map(|entry| (entry.audit_context.ip.unwrap().to_string(), entry.detail.unwrap()))
            .collect();
        details.sort();
        details
    };
    let written = entries(&server).await;
    assert_eq!(written.len(), 256);
    let loud = written.iter().find(|(ip, _)| *ip == in_another_site(0)).unwrap();
    assert!(loud.1.ends_with(" count=51"), "{loud:?}");
    // A site that found no room gets an entry in the next minute.
    reach(&server, 259).await;
    let (folder, clock) = server.stop().await;
    let server = TestServer::start_in(folder, clock, |_| {}).await;
    let written = entries(&server).await;
    assert_eq!(written.len(), 257);
    assert!(written.iter().any(|(ip, _)| *ip == in_another_site(259)));
    &["site"]
}
