//! `POST /api-keys`: everything except the public key and its proof.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_core::Account;

use super::{PATH, path_of};
use crate::support::{Answer, TestKey, TestServer};

async fn register_with(server: &TestServer, account: &Account, member: &str, value: Value) -> Answer {
    let mut body = TestKey::unregistered(account).registration(server.issuer(), server.now());
    body[member] = value;
    server.manage(account, Method::POST, PATH, Some(body)).await
}

#[tokio::test]
async fn c08_labels_that_are_long_or_deceptive_are_refused() {
    let server = TestServer::start().await;
    let account = server.account().await;
    for bad in [
        String::new(),
        "   ".into(),
        "a\nb".into(),
        "a\u{0}b".into(),
        "\u{1b}[31mred".into(),
        "safe\u{202e}gnp.exe".into(),
        "a\u{2066}b".into(),
        "a\u{2028}b".into(),
        "a\u{200b}b".into(),
        "\u{feff}a".into(),
        "a\u{ad}b".into(),
        "a\u{180e}b".into(),
        "a\u{e0041}b".into(),
        "a\u{200d}".into(),
        "x".repeat(65),
        "x".repeat(10 << 10),
    ] {
        let answer = register_with(&server, &account, "label", json!(bad)).await;
        answer.assert_invalid("invalid_request", "label");
        assert!(
            !answer.text.contains("gnp.exe") && answer.text.len() < 600,
            "{answer:?}"
        );
    }
    // Harmless characters stay. The answer is JSON, so HTML in a label is not markup.
    for good in [
        "<script>alert(1)</script>",
        "Ü 取引 \"bot\" & co",
        "می\u{200c}خواهم",
        "👨\u{200d}👩\u{200d}👧",
        &"ü".repeat(64),
    ] {
        let answer = register_with(&server, &account, "label", json!(format!("  {good} "))).await;
        assert_eq!(
            (answer.status, answer.body["label"].as_str()),
            (201, Some(good)),
            "{answer:?}"
        );
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn c09_the_21st_key_is_refused_until_another_one_is_revoked_or_expires() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let soon = server.now() + SignedDuration::from_mins(1);
    let expiring = register_with(&server, &account, "expires_at", json!(soon)).await;
    assert_eq!(expiring.status, 201);
    let mut last = server.key_of(&account).await;
    for _ in 2..20 {
        last = server.key_of(&account).await;
    }
    let one_more = || register_with(&server, &account, "label", json!("21st"));
    let answer = one_more().await;
    answer.assert_error(409, "key_limit_reached");
    assert!(
        answer.body["message"].as_str().unwrap().contains("20"),
        "{answer:?}"
    );
    // Other accounts are not affected.
    server.key().await;

    let revoked = server
        .manage(&account, Method::DELETE, &path_of(&last), None)
        .await;
    assert_eq!(revoked.status, 200);
    assert_eq!(one_more().await.status, 201);
    one_more().await.assert_error(409, "key_limit_reached");
    server.advance(60);
    assert_eq!(one_more().await.status, 201, "an expired key does not count");
    one_more().await.assert_error(409, "key_limit_reached");
}

#[tokio::test]
async fn c09_the_limit_is_configurable_and_holds_for_concurrent_requests() {
    let server = TestServer::start_with(|config| config.api_keys.max_per_account = 3).await;
    let account = server.account().await;
    let register = || register_with(&server, &account, "label", json!("bot"));
    let (a, b, c, d, e) = tokio::join!(register(), register(), register(), register(), register());
    let mut statuses = [a, b, c, d, e].map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 201, 409, 409]);
}

#[tokio::test]
async fn c12_keys_are_created_and_changed_only_within_five_minutes_of_a_login() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let change = json!({ "label": "new" });
    for (age, fresh) in [(300, true), (301, false)] {
        let signed_in = server.now() - SignedDuration::from_secs(age);
        let token = server
            .management_token_signed_in_at(&key.account, signed_in)
            .await;
        let body = TestKey::unregistered(&key.account).registration(server.issuer(), server.now());
        let make = server.http.post(server.url(PATH)).bearer_auth(&token).json(&body);
        let alter = server
            .http
            .patch(server.url(&path_of(&key)))
            .bearer_auth(&token)
            .json(&change);
        for (request, status) in [(make, 201), (alter, 200)] {
            let answer = Answer::of(request.send().await.unwrap()).await;
            if fresh {
                assert_eq!(answer.status, status, "{answer:?}");
            } else {
                answer.assert_error(403, "reauth_required");
            }
        }
    }
    // Listing and revoking need no fresh login, so that a robbed owner can revoke at once.
    let yesterday = server.now() - SignedDuration::from_hours(24);
    let token = server
        .management_token_signed_in_at(&key.account, yesterday)
        .await;
    assert_eq!(server.get_with(PATH, &token).await.status, 200);
    let revoke = server.http.delete(server.url(&path_of(&key))).bearer_auth(&token);
    assert_eq!(Answer::of(revoke.send().await.unwrap()).await.status, 200);
}

#[tokio::test]
async fn scopes_expiry_and_addresses_are_checked_and_stored() {
    let server = TestServer::start().await;
    let account = server.account().await;
    let now = server.now();
    for (member, bad) in [
        ("scopes", json!([])),
        ("expires_at", json!(now)),
        ("expires_at", json!("1999-01-01T00:00:00Z")),
        ("allowed_ips", json!(["localhost"])),
        ("allowed_ips", json!(["203.0.113.7/24"])),
        ("allowed_ips", json!(["203.0.113.0/33"])),
        ("allowed_ips", json!(vec!["192.0.2.1"; 33])),
    ] {
        let answer = register_with(&server, &account, member, bad).await;
        answer.assert_invalid("invalid_request", member);
    }
    for (member, bad) in [
        ("scopes", json!(["everything"])),
        ("scopes", json!("read")),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!(1_900_000_000)),
        ("allowed_ips", json!("203.0.113.7")),
        ("uid", json!("another account")),
        ("key_id", json!("mine")),
    ] {
        register_with(&server, &account, member, bad)
            .await
            .assert_error(400, "invalid_request");
    }
    let year = register_with(&server, &account, "label", json!("bot")).await;
    assert_eq!(
        year.body["expires_at"],
        (now + SignedDuration::from_hours(24 * 365)).to_string()
    );
    assert_eq!(year.body["scopes"], json!(["read", "trade", "transfer"]));
    assert_eq!(
        (&year.body["allowed_ips"], &year.body["last_used_at"]),
        (&json!([]), &json!(null))
    );
    let endless = register_with(&server, &account, "expires_at", json!(null)).await;
    assert_eq!((endless.status, &endless.body["expires_at"]), (201, &json!(null)));
    let reader = register_with(&server, &account, "scopes", json!(["read"])).await;
    assert_eq!(reader.body["scopes"], json!(["read"]));
    let end: Timestamp = "2027-06-01T00:00:00Z".parse().unwrap();
    let bounded = register_with(&server, &account, "expires_at", json!(end)).await;
    assert_eq!(bounded.body["expires_at"], end.to_string());
}
