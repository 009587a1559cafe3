//! `POST /token/refresh`: every branch of the rotation, checked in the answers and the row.

use serde_json::json;

use crate::support::Stored::{Integer, Null};
use crate::support::{Answer, TestKey, TestServer, at_once, jwt, rows};
use tm_auth_store::AuditAction;

/// Seconds just beyond the window in which the parent gets the same successor.
const LATE: i64 = 91;
const DAY: i64 = 86_400;

impl Answer {
    /// The refresh token of a successful answer.
    #[track_caller]
    pub(crate) fn refresh_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["refresh_token"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["access_token"].as_str().unwrap().to_owned()
    }
}

impl TestServer {
    /// A key and the first refresh token of its session.
    async fn session(&self) -> (TestKey, String) {
        let key = self.key().await;
        let tokens = self.mint(&key).await;
        (key, tokens.refresh_token)
    }

    /// Advances the clock by `seconds`, refreshes, and returns the next refresh token.
    async fn next(&self, token: &str, seconds: i64) -> String {
        self.advance(seconds);
        self.refresh(token).await.refresh_token()
    }

    async fn audited(&self, action: AuditAction) -> usize {
        let trail = self.store.audit_trail(None, 1000).await.unwrap();
        trail.iter().filter(|entry| entry.action == action).count()
    }
}

#[tokio::test]
async fn e01_a_refresh_advances_the_token_family_and_not_its_expiry() {
    let server = TestServer::start_with(|config| config.sessions.max_days = 40).await;
    let (key, first) = server.session().await;
    let end = (server.now().as_second() + 40 * DAY) * 1000;
    let row = "SELECT current, parent, expires_at, ended_at FROM sessions";
    assert_eq!(rows(&server, row), [[Integer(0), Null, Integer(end), Null]]);

    server.advance(25 * DAY);
    let answer = server.refresh(&first).await;
    let second = answer.refresh_token();
    assert_eq!(rows(&server, row), [[Integer(1), Integer(0), Integer(end), Null]]);
    assert_eq!(
        (&answer.body["token_type"], first == second),
        (&json!("Bearer"), false)
    );
    let claims = jwt::payload(&answer.access_token());
    assert_eq!(claims["client_id"], json!(key.id()));
    assert_eq!(claims["sid"], jwt::payload(&first)["sid"]);
    // `auth_time` is the opening of the session, when the key last signed.
    assert_eq!(claims["auth_time"], json!(server.now().as_second() - 25 * DAY));
    // The idle limit of 30 days would exceed the session's maximum age.
    assert_eq!(jwt::payload(&second)["exp"], json!(end / 1000));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn e02_reuse_of_an_old_token_ends_only_its_session() {
    let server = TestServer::start().await;
    let (key, first) = server.session().await;
    let other = server.mint(&key).await;
    let second = server.next(&first, LATE).await;
    let third = server.next(&second, LATE).await;
    server.advance(LATE);
    let access = server.mint(&key).await.access_token;
    let reused = server.refresh(&first).await;
    reused.assert_error(401, "refresh_reused");
    assert_eq!(reused.body["recover"], "api_key");

    server.refresh(&third).await.assert_error(401, "refresh_reused");
    let trail = server.store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(
        (trail[0].action.clone(), trail[0].key_id),
        (AuditAction::RefreshReused, Some(key.id()))
    );
    assert_eq!(json!(trail[0].sid), jwt::payload(&first)["sid"]);
    assert_eq!(
        trail[0].audit_context.request_id.as_deref(),
        reused.body["request_id"].as_str()
    );
    // The key, its other sessions and their tokens stay valid.
    server.next(&other.refresh_token, 1).await;
    assert_eq!(server.get_with("/api-key", &access).await.status, 200);
    server.mint(&key).await;
}

#[tokio::test]
async fn e02_reuse_revokes_the_access_tokens_of_the_session() {
    let server = TestServer::start().await;
    let (_, first) = server.session().await;
    let second = server.next(&first, LATE).await;
    let refreshed = server.refresh(&second).await;
    server.advance(LATE);
    let access = refreshed.access_token();
    assert_eq!(server.get_with("/api-key", &access).await.status, 200);
    server.refresh(&first).await.assert_error(401, "refresh_reused");
    server
        .get_with("/api-key", &access)
        .await
        .assert_error(401, "invalid_token");
}

#[tokio::test]
async fn e03_a_retry_after_a_lost_response_gets_the_same_refresh_token() {
    let server = TestServer::start().await;
    let (_, first) = server.session().await;
    let second = server.next(&first, 10).await;
    let row = rows(&server, "SELECT * FROM sessions");
    for seconds in [0, 1, 89] {
        assert_eq!(server.next(&first, seconds).await, second);
        assert_eq!(rows(&server, "SELECT * FROM sessions"), row, "nothing is written");
    }
    // The last retry was in the 90th second, inclusive. The successor is unaffected.
    let third = server.next(&second, 0).await;
    assert_eq!(jwt::payload(&third)["n"], 2);
}

#[tokio::test]
async fn e04_an_unused_successor_is_replaced_and_its_later_use_is_reuse() {
    let server = TestServer::start().await;
    let (key, first) = server.session().await;
    let lost = server.next(&first, 10).await;
    let found = server.next(&first, LATE).await;
    assert_ne!(lost, found);
    let row = "SELECT current, parent, rotated_at, reissue_count FROM sessions";
    let now = Integer(server.now().as_millisecond());
    assert_eq!(rows(&server, row), [[Integer(2), Integer(0), now, Integer(1)]]);
    // Another retry within the window gets the same new successor.
    assert_eq!(server.next(&first, 90).await, found);
    // The use of the new successor resets the reissue count.
    let next = server.next(&found, 1).await;
    assert_eq!(
        rows(&server, "SELECT reissue_count FROM sessions"),
        [[Integer(0)]]
    );

    server.advance(LATE);
    server.refresh(&lost).await.assert_error(401, "refresh_reused");
    server.refresh(&next).await.assert_error(401, "refresh_reused");
    server.mint(&key).await;
}

#[tokio::test]
async fn e04_the_fourth_reissue_in_a_row_ends_the_session() {
    let server = TestServer::start().await;
    let (_, first) = server.session().await;
    let mut newest = server.next(&first, 10).await;
    for _ in 0..3 {
        newest = server.next(&first, LATE).await;
    }
    server.advance(LATE);
    server.refresh(&first).await.assert_error(401, "refresh_reused");
    server.refresh(&newest).await.assert_error(401, "refresh_reused");
}

#[tokio::test]
async fn e04_fifty_concurrent_retries_within_the_window_get_the_same_successor() {
    let server = TestServer::start().await;
    let (_, first) = server.session().await;
    let second = server.next(&first, 10).await;
    server.advance(60);
    let all = (0..50).map(|_| server.refresh(&first));
    for answer in at_once(all).await {
        assert_eq!(answer.refresh_token(), second);
    }
    server.next(&second, LATE).await;
}

#[tokio::test]
async fn e05_a_superseded_token_is_refused_and_its_session_stays_valid() {
    let server = TestServer::start().await;
    let (_, first) = server.session().await;
    let second = server.next(&first, LATE).await;
    let third = server.next(&second, LATE).await;
    let row = rows(&server, "SELECT * FROM sessions");
    for seconds in [0, 90] {
        server.advance(seconds);
        let answer = server.refresh(&first).await;
        answer.assert_error(401, "refresh_superseded");
        assert!(!answer.text.contains("_token\":"), "{answer:?}");
    }
    assert_eq!(rows(&server, "SELECT * FROM sessions"), row);
    server.next(&third, 0).await;
    assert_eq!(server.audited(AuditAction::RefreshReused).await, 0);
}

#[tokio::test]
async fn e07_a_client_killed_before_it_read_the_answer_can_retry_days_later() {
    for later in [0, 60, LATE, 29 * DAY] {
        let server = TestServer::start().await;
        let (_, first) = server.session().await;
        refresh_without_reading(&server, &first).await;
        assert_eq!(rows(&server, "SELECT current FROM sessions"), [[Integer(1)]]);
        let next = server.next(&first, later).await;
        // The retry continues the family. The parent is an old token after the next refresh.
        let after = server.next(&next, LATE).await;
        server.advance(LATE);
        server.refresh(&first).await.assert_error(401, "refresh_reused");
        server.refresh(&after).await.assert_error(401, "refresh_reused");
    }
}

/// Sends a refresh and closes the connection once it is committed.
async fn refresh_without_reading(server: &TestServer, token: &str) {
    use tokio::io::AsyncWriteExt;
    let address = server.config.network.listen[0];
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = json!({ "refresh_token": token }).to_string();
    let request = format!(
        "POST /v1/auth/token/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    while rows(server, "SELECT current FROM sessions") == [[Integer(0)]] {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn e09_an_idle_session_expires() {
    let server = TestServer::start().await;
    let (_, first) = server.session().await;
    let second = server.next(&first, 30 * DAY - 1).await;
    server.advance(30 * DAY);
    for token in [&second, &first] {
        let answer = server.refresh(token).await;
        answer.assert_error(401, "session_expired");
        assert_eq!(answer.body["recover"], "api_key");
    }
}

#[tokio::test]
async fn e09_a_busy_session_expires_at_its_maximum_age() {
    let server = TestServer::start_with(|config| {
        config.sessions.max_days = 2;
        config.sessions.idle_days = 1;
    })
    .await;
    let (_, mut token) = server.session().await;
    for _ in 0..3 {
        token = server.next(&token, DAY / 2).await;
    }
    let last = server.next(&token, DAY / 2 - 1).await;
    let claims = jwt::payload(&last);
    assert_eq!(claims["exp"], json!(server.now().as_second() + 1));
    server.advance(1);
    server.refresh(&last).await.assert_error(401, "session_expired");
}

#[tokio::test]
async fn e09_an_access_token_never_outlives_its_session() {
    let server = TestServer::start_with(|config| {
        config.sessions.max_days = 1;
        config.sessions.idle_days = 1;
    })
    .await;
    let (_, first) = server.session().await;
    server.advance(DAY - 100);
    let claims = jwt::payload(&server.refresh(&first).await.access_token());
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        100
    );
}

#[tokio::test]
async fn e10_a_refresh_is_refused_if_the_key_or_account_is_unusable() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    let audit_context = tm_auth_store::AuditContext::operator(server.now());

    let (key, token) = server.session().await;
    let path = format!("/api-keys/{}", key.id());
    let revoked = server
        .manage(&key.account, reqwest::Method::DELETE, &path, None)
        .await;
    assert_eq!(revoked.status, 200);
    for node in [&server, &node] {
        node.refresh(&token).await.assert_error(401, "key_revoked");
    }

    let (key, token) = server.session().await;
    let uid = key.account.uid;
    let disable = |at| server.store.set_account_disabled(uid, at, &audit_context);
    assert!(disable(Some(server.now())).await.unwrap());
    for node in [&server, &node] {
        node.refresh(&token).await.assert_error(401, "account_disabled");
    }
    assert!(disable(None).await.unwrap());
    node.refresh(&token).await.refresh_token();

    let (key, token) = server.session().await;
    let change = |body| {
        let path = format!("/api-keys/{}", key.id());
        let (server, account) = (&server, &key.account);
        async move {
            let patch = reqwest::Method::PATCH;
            let answer = server.manage(account, patch, &path, Some(body)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    change(json!({ "allowed_ips": ["192.0.2.0/24"] })).await;
    for node in [&server, &node] {
        node.refresh(&token).await.assert_error(401, "ip_not_allowed");
    }
    let end = server.now() + jiff::SignedDuration::from_secs(60);
    change(json!({ "allowed_ips": [], "expires_at": end })).await;
    server.advance(60);
    for node in [&server, &node] {
        node.refresh(&token).await.assert_error(401, "key_expired");
    }
}

#[tokio::test]
async fn e11_a_refresh_grants_no_more_than_the_key_permits() {
    let server = TestServer::start().await;
    let (key, first) = server.session().await;
    let path = format!("/api-keys/{}", key.id());
    let narrow = json!({ "scopes": ["read"] });
    let answer = server
        .manage(&key.account, reqwest::Method::PATCH, &path, Some(narrow))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let wish = json!({
        "refresh_token": first, "scope": "read trade transfer", "scopes": ["transfer"], "aud": server.issuer(),
        "audience": "auth", "sub": "other@example.com", "uid": server.account().await.uid, "client_id": "x",
    });
    let claims = jwt::payload(&server.post("/token/refresh", &wish).await.access_token());
    assert_eq!(claims["scope"], "read");
    assert_eq!(claims["aud"], server.config.audience());
    assert_eq!(claims["uid"], json!(key.account.uid));
    assert_eq!(claims["sub"], json!(key.account.uid));
    assert_eq!(claims["client_id"], json!(key.id()));
}

#[tokio::test]
async fn e17_a_token_in_the_query_is_never_read() {
    let server = TestServer::start().await;
    let (_, first) = server.session().await;
    let row = rows(&server, "SELECT * FROM sessions");
    let query = format!("/token/refresh?refresh_token={first}");
    for (path, body) in [(query.as_str(), "{}"), (&query, ""), ("/token/refresh", "")] {
        let answer = server.post_raw(path, "application/json", body).await;
        answer.assert_error(400, "invalid_request");
    }
    let form = format!("refresh_token={first}");
    server
        .post_raw("/token/refresh", "application/x-www-form-urlencoded", form)
        .await
        .assert_error(415, "unsupported_media_type");
    server.get(&query).await.assert_error(405, "method_not_allowed");
    assert_eq!(rows(&server, "SELECT * FROM sessions"), row);
    server.next(&first, 0).await;
}
