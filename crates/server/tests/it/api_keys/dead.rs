//! Keys that are revoked or expired: their number does not make requests larger or slower.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fmt::Write;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_client::Signer;
use tm_auth_core::{Account, PublicKey};

use super::{PATH, path_of};
use crate::support::{Answer, Database, TestKey, TestServer, execute};

const DEAD: i64 = 10_000;

fn literal(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
    }
    match crate::DATABASE {
        Database::Sqlite => format!("X'{hex}'"),
        Database::Postgres => format!("'\\x{hex}'"),
    }
}

fn point(signer: &Signer) -> Vec<u8> {
    let key = PublicKey::parse(&signer.public_jwk()).unwrap();
    key.as_sec1().to_vec()
}

/// Gives the account keys of the last days, every other one revoked and the others expired.
fn add_dead_keys(server: &TestServer, account: &Account) {
    let now = server.now().as_millisecond();
    let two_days_ago = now - 2 * 24 * 60 * 60 * 1000;
    let uid = literal(account.uid.0.as_bytes());
    let numbers: Vec<i64> = (0..DEAD).collect();
    for chunk in numbers.chunks(500) {
        let rows = chunk.iter().map(|number| {
            let created = two_days_ago - number;
            let (expires, revoked) = if number % 2 == 0 {
                ("NULL".to_owned(), created.to_string())
            } else {
                (now.to_string(), "NULL".to_owned())
            };
            let mut key_id = [0; 16];
            key_id[8..].copy_from_slice(&number.to_be_bytes());
            format!(
                "({}, {uid}, 'bot {number}', {}, 'read trade', '', {created}, {created}, {expires}, {revoked}, 1)",
                literal(&key_id),
                literal(&point(&Signer::generate().unwrap())),
            )
        });
        let rows: Vec<String> = rows.collect();
        let sql = format!(
            "INSERT INTO api_keys (key_id, uid, label, public_key, scopes, allowed_ips, created_at, activated_at,
                expires_at, revoked_at, version) VALUES {}",
            rows.join(", ")
        );
        execute(server, &sql).unwrap();
    }
}

async fn list(server: &TestServer, account: &Account, query: &str) -> Answer {
    server
        .manage(account, Method::GET, &format!("{PATH}{query}"), None)
        .await
}

fn keys(answer: &Answer) -> &[Value] {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["keys"].as_array().unwrap()
}

/// The query of the next page.
fn next(server: &TestServer, answer: &Answer) -> Option<String> {
    let link = answer.header("link");
    if link.is_empty() {
        return None;
    }
    let url = link
        .strip_prefix('<')
        .unwrap()
        .strip_suffix(">; rel=\"next\"")
        .unwrap();
    let path = url.strip_prefix(server.issuer()).unwrap();
    Some(path.strip_prefix(PATH).unwrap().to_owned())
}

#[tokio::test]
async fn q09_ten_thousand_dead_keys_make_no_answer_larger() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let account = &key.account;
    add_dead_keys(&server, account);
    let newest = server.key_of(account).await;

    let first = list(&server, account, "").await;
    assert_eq!(keys(&first).len(), 52, "two live keys and fifty others");
    assert!(first.text.len() < 30_000, "{}", first.text.len());
    let live: HashSet<String> = [&key, &newest].map(|key| key.id().to_string()).into();
    let active = keys(&first).iter().filter(|key| key["status"] == "active");
    assert_eq!(
        active
            .map(|key| key["key_id"].as_str().unwrap().to_owned())
            .collect::<HashSet<_>>(),
        live
    );
    let created = |key: &Value| -> Timestamp { key["created_at"].as_str().unwrap().parse().unwrap() };
    assert!(keys(&first).is_sorted_by_key(|key| Reverse(created(key))));

    let mut seen: HashSet<String> = HashSet::new();
    let mut page = first;
    for _ in 0..3 {
        for key in keys(&page) {
            assert!(seen.insert(key["key_id"].to_string()), "listed twice");
        }
        let query = next(&server, &page).unwrap();
        page = list(&server, account, &query).await;
        assert_eq!(keys(&page).len(), 50);
        assert!(page.text.len() < 30_000 && !page.text.contains("\"active\""));
    }
    let oldest = server.now().as_millisecond() - 2 * 24 * 60 * 60 * 1000 - DEAD;
    let last = list(&server, account, &format!("?before={}", oldest + 11)).await;
    assert_eq!((keys(&last).len(), next(&server, &last)), (10, None));
    list(&server, account, "?before=yesterday")
        .await
        .assert_invalid("invalid_request", "before");

    let token = server.mint(&key).await.access_token;
    let own = server.get_with("/api-key", &token).await;
    assert_eq!(own.body["key"]["key_id"], json!(key.id()), "{own:?}");
    assert!(own.text.len() < 1_000);

    let browser = server.browser(account).await;
    let page = browser.get("/api-keys").await;
    assert_eq!(page.text.matches("<li class=\"card").count(), 52);
    assert!(page.text.len() < 150_000, "{}", page.text.len());
    let (_, link) = page.text.split_once(r#"rel="next" href=""#).unwrap();
    let (link, _) = link.split_once('"').unwrap();
    let older = browser.get(link).await;
    assert_eq!(older.text.matches("<li class=\"card").count(), 50);
    older.assert_hides("Active").assert_shows("Newest");
    for path in ["/activity", "/security/delete", &path_of(&key)] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.len() < 50_000, "{path}: {}", page.text.len());
    }
}

#[tokio::test]
async fn q09_an_account_registers_a_limited_number_of_keys_a_day() {
    let server = TestServer::start_with(|config| config.api_keys.max_registrations_per_day = 3).await;
    let account = server.account().await;
    for _ in 0..3 {
        let key = server.key_of(&account).await;
        server
            .manage(&account, Method::DELETE, &path_of(&key), None)
            .await;
    }
    let register = async || {
        let body = TestKey::unregistered(&account).registration(server.issuer(), server.now());
        server.manage(&account, Method::POST, PATH, Some(body)).await
    };
    server.advance(60);
    let answer = register().await;
    answer.assert_error(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), (24 * 60 * 60 - 60).to_string());
    // Other accounts are not affected.
    server.key().await;
    server.advance(24 * 60 * 60 - 60);
    assert_eq!(register().await.status, 201);
}
