//! Budgets of networks and accounts: a flood is limited, and others are served.

use std::collections::BTreeSet;

use serde_json::json;
use tm_auth_proto::{Environment, KeyId};
use tm_auth_server::Config;
use tm_auth_server::config::Forwarded;
use tm_auth_server::random;
use tm_auth_server::rate_limits::budgets::{Budget, ROUTES, UNMETERED};

use super::cross_site::routes;
use crate::support::smtp_server::{Behaviour, SmtpServer};
use crate::support::{Answer, START, TestKey, TestServer, rows};

/// A server that trusts the tests, which connect from 127.0.0.1, as its proxy.
async fn behind_a_proxy() -> TestServer {
    TestServer::start_with(trust_a_proxy).await
}

fn trust_a_proxy(config: &mut Config) {
    config.network.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    config.network.forwarded = Some(Forwarded::XForwardedFor);
}

/// An address of another /64 for each number, all in one /48.
fn in_one_site(number: usize) -> String {
    format!("2001:db8:1:{number:x}::1")
}

async fn post(server: &TestServer, from: &str, path: &str, body: &serde_json::Value) -> Answer {
    let request = server.http.post(server.url(path)).header("x-forwarded-for", from);
    Answer::of(request.json(body).send().await.unwrap()).await
}

#[test]
fn q15_every_route_names_its_budgets() {
    let listed: BTreeSet<String> = ROUTES.iter().map(|(route, _)| (*route).to_owned()).collect();
    assert_eq!(listed.len(), ROUTES.len(), "a route is listed twice");
    // The metrics have a listener of their own, for operators.
    assert_eq!(routes(), listed);
    assert!(UNMETERED.iter().all(|route| listed.contains(*route)));
    let named: BTreeSet<String> = ROUTES
        .iter()
        .flat_map(|(_, budgets)| budgets.iter())
        .map(|budget| format!("{budget:?}"))
        .collect();
    let of_no_route = [
        Budget::Connections,
        Budget::NewConnections,
        Budget::Requests,
        Budget::PromptAnswers,
        Budget::RequestBytes,
        Budget::ReachedLimits,
        Budget::AuditEntries,
        Budget::KeyRefusals,
        Budget::KeyCopies,
        Budget::LimiterEntries,
    ];
    for budget in Budget::ALL.iter().filter(|budget| !of_no_route.contains(budget)) {
        assert!(
            named.contains(&format!("{budget:?}")),
            "no route names {budget:?}"
        );
    }
}

#[tokio::test]
async fn q06_wrong_signatures_for_a_key_from_one_site_are_limited() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    let stranger = TestKey::unregistered(&key.account);
    let guess = json!({ "key_id": key.id(), "timestamp": START, "signature": stranger.sign("a guess") });
    let mut compared = 0;
    for number in 0..400 {
        let answer = post(&server, &in_one_site(number), "/api-key/token", &guess).await;
        compared += usize::from(answer.status == 401);
    }
    assert_eq!(compared, 120, "four times the 30 of a network");
    let owner = post(
        &server,
        "2001:db8:2::1",
        "/api-key/token",
        &key.challenge(server.now()),
    )
    .await;
    assert_eq!(owner.status, 200, "{owner:?}");
}

#[tokio::test]
async fn q06_failed_mints_from_one_site_are_limited() {
    let server = behind_a_proxy().await;
    let stranger = TestKey::unregistered(&server.account().await);
    let mut tried = 0;
    for number in 0..1_300 {
        let any = KeyId::generate(Environment::Uat, random::bytes());
        let guess = json!({ "key_id": any, "timestamp": START, "signature": stranger.sign("a guess") });
        let answer = post(&server, &in_one_site(number), "/api-key/token", &guess).await;
        tried += usize::from(answer.status == 401);
    }
    assert_eq!(tried, 1_200, "four times the 300 of a network");
}

#[tokio::test]
async fn q06_code_mails_to_many_addresses_from_one_site_are_limited_and_the_client_is_told() {
    let smtp = SmtpServer::start(Behaviour::default()).await;
    let settings = smtp.settings();
    let server = TestServer::start_with(|config| {
        trust_a_proxy(config);
        config.mail = settings;
    })
    .await;
    let mut answers = Vec::new();
    for number in 0..150 {
        let body = json!({ "email": format!("user{number}@example.com") });
        answers.push(post(&server, &in_one_site(number), "/email/otc", &body).await);
    }
    let sent = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(sent, 80, "four times the 20 of a network: {:?}", answers[0]);
    let refused = answers.last().unwrap();
    refused.assert_error(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(rows(&server, "SELECT 1 FROM email_codes").len(), 80);
    let other = post(
        &server,
        "192.0.2.1",
        "/email/otc",
        &json!({ "email": "ada@example.com" }),
    )
    .await;
    assert_eq!(other.status, 200, "{other:?}");
}

#[tokio::test]
async fn q07_apple_and_passkey_ceremonies_are_limited_together() {
    let server = behind_a_proxy().await;
    let mut begun = 0;
    for number in 0..600 {
        let request = server
            .http
            .post(format!("{}{}", server.origin, "/passkeys/sign-in/options"))
            .header("origin", server.config.public_url.origin())
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", in_one_site(number));
        let answer = request.json(&json!({})).send().await.unwrap();
        begun += usize::from(answer.status() == 200);
    }
    assert_eq!(begun, 480, "four times the 120 of a network");
    assert_eq!(rows(&server, "SELECT 1 FROM ceremonies").len(), 480);
}

#[tokio::test]
async fn q14_requests_of_one_network_are_limited_and_bots_behind_it_still_mint() {
    let server = TestServer::start_with(|config| config.limits.requests_per_network_per_minute = 300).await;
    let key = server.key().await;
    let mut served = 0;
    for _ in 0..100 {
        let answer = server
            .http
            .get(format!("{}{}", server.origin, "/sign-in"))
            .send()
            .await
            .unwrap();
        served += usize::from(answer.status() == 200);
    }
    assert_eq!(
        served, 49,
        "a sixth of 300 at once, less the registration of the key"
    );
    let limited = server
        .http
        .get(format!("{}{}", server.origin, "/sign-in"))
        .send()
        .await
        .unwrap();
    assert_eq!(limited.status(), 429);
    let minted = server.post("/api-key/token", &key.challenge(server.now())).await;
    assert_eq!(minted.status, 200, "{minted:?}");
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(
            server.http.get(server.url(path)).send().await.unwrap().status(),
            200
        );
    }
}

#[tokio::test]
async fn q14_requests_of_one_account_are_limited_and_other_accounts_are_served() {
    let server = TestServer::start_with(|config| config.limits.requests_per_account_per_minute = 50).await;
    let (busy, other) = (server.account().await, server.account().await);
    let list = async |account| {
        let request = server.http.get(server.url("/api-keys"));
        let token = server.management_token(account).await;
        Answer::of(request.bearer_auth(token).send().await.unwrap()).await
    };
    for _ in 0..50 {
        assert_eq!(list(&busy).await.status, 200);
    }
    list(&busy).await.assert_error(429, "rate_limited");
    assert_eq!(list(&other).await.status, 200);
}

#[tokio::test]
async fn q16_a_bot_that_fails_does_not_lock_out_the_others_behind_its_address() {
    let server = TestServer::start_with(|config| config.limits.failures_per_network_per_minute = 50).await;
    let (good, broken) = (server.key().await, server.key().await);
    let tokens = server.mint(&good).await;
    let stranger = TestKey::unregistered(&broken.account);
    // The clock of one bot is wrong, another one has a wrong key, a third one sends garbage.
    let stale = broken.challenge(server.now() - jiff::SignedDuration::from_mins(2));
    for _ in 0..40 {
        server.post("/api-key/token", &stale).await;
    }
    for _ in 0..100 {
        let any = KeyId::generate(Environment::Uat, random::bytes());
        let guess = json!({ "key_id": any, "timestamp": START, "signature": stranger.sign("a guess") });
        server.post("/api-key/token", &guess).await;
        server.refresh("e30.e30.AAAA").await;
    }
    let any = KeyId::generate(Environment::Uat, random::bytes());
    let guess = json!({ "key_id": any, "timestamp": START, "signature": stranger.sign("a guess") });
    server
        .post("/api-key/token", &guess)
        .await
        .assert_error(429, "rate_limited");
    server
        .refresh("e30.e30.AAAA")
        .await
        .assert_error(429, "rate_limited");
    let minted = server.post("/api-key/token", &good.challenge(server.now())).await;
    assert_eq!(minted.status, 200, "{minted:?}");
    let refreshed = server.refresh(&tokens.refresh_token).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
}

#[tokio::test]
async fn e22_a_thief_at_a_forbidden_address_does_not_use_up_the_owners_refreshes() {
    let server = behind_a_proxy().await;
    let account = server.account().await;
    let key = server.key_of(&account).await;
    let tokens = server.mint(&key).await;
    let only = json!({ "allowed_ips": ["203.0.113.9"] });
    let path = format!("/api-keys/{}", key.id());
    let changed = server
        .manage(&account, reqwest::Method::PATCH, &path, Some(only))
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let body = json!({ "refresh_token": tokens.refresh_token });
    let mut refused = 0;
    for _ in 0..700 {
        let answer = post(&server, "198.51.100.66", "/token/refresh", &body).await;
        assert!(matches!(answer.status, 401 | 429), "{answer:?}");
        refused += usize::from(answer.status == 429);
    }
    assert!(refused > 0, "the thief is limited");
    let owner = post(&server, "203.0.113.9", "/token/refresh", &body).await;
    assert_eq!(owner.status, 200, "{owner:?}");
}

#[tokio::test]
async fn q17_one_impatient_user_does_not_use_up_the_codes_of_others_behind_the_address() {
    let server = TestServer::start().await;
    for _ in 0..50 {
        let answer = server
            .post("/email/otc", &json!({ "email": "ada@example.com" }))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = server
        .post("/email/otc", &json!({ "email": "bob@example.com" }))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.inbox("bob@example.com").len(), 1);
}

#[tokio::test]
async fn q20_a_client_that_does_not_stop_after_refusals_is_answered_later() {
    let server = behind_a_proxy().await;
    let malformed = json!({ "key_id": "none" });
    for _ in 0..600 {
        let answer = post(&server, "192.0.2.1", "/api-key/token", &malformed).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let asked = std::time::Instant::now();
    let answer = post(&server, "192.0.2.1", "/api-key/token", &malformed).await;
    assert_eq!(answer.status, 400, "a pause changes no answer: {answer:?}");
    assert!(asked.elapsed() >= std::time::Duration::from_millis(500));
}
