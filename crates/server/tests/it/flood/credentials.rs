//! Floods against one API key and one session.

use serde_json::json;
use tm_auth_proto::KeyId;

use super::Levels;
use super::parties::{Limit, in_another_site, in_one_network, in_one_site, start_with};
use crate::support::{Answer, TestKey, TestServer};

/// A mint that names a key, with the signature of another one.
async fn guess(server: &TestServer, from: &str, key_id: KeyId, stranger: &TestKey) -> Answer {
    let body = json!({
        "key_id": key_id,
        "timestamp": server.now().as_second(),
        "signature": stranger.sign("a guess"),
    });
    server.post_from(from, "/api-key/token", &body).await
}

pub(super) async fn key_failures() -> Levels {
    let server = start_with(|config| config.limits.failures_per_key_per_minute = 5).await;
    let (key, another) = (server.key().await, server.key().await);
    let stranger = TestKey::unregistered(&key.account);
    let send = async |from: String| guess(&server, &from, key.id(), &stranger).await;
    let limit = Limit::rate(5, 401);
    limit.flood(in_one_network, send).await;
    limit.flood(|_| "192.0.2.1".to_owned(), send).await;
    // Beyond the limit a valid signature is refused too. It would show that a guess was right.
    let challenge = key.challenge(server.now());
    let answer = server.post_from("192.0.2.1", "/api-key/token", &challenge);
    limit.assert_refused(&answer.await);
    for from in [in_one_network(0), "192.0.2.1".to_owned()] {
        let answer = guess(&server, &from, another.id(), &stranger).await;
        limit.assert_served(&answer);
        let challenge = another.challenge(server.now());
        let minted = server.post_from(&from, "/api-key/token", &challenge).await;
        assert_eq!(minted.status, 200, "{minted:?}");
    }
    limit.assert_served(&send("192.0.2.2".to_owned()).await);

    server.advance(60);
    Limit::rate(20, 401).flood(in_one_site, send).await;
    limit.assert_served(&send(in_another_site(0)).await);
    let challenge = key.challenge(server.now());
    let owner = server
        .post_from("203.0.113.9", "/api-key/token", &challenge)
        .await;
    assert_eq!(owner.status, 200, "{owner:?}");
    &["network and key", "site and key"]
}

pub(super) async fn mints() -> Levels {
    let server = start_with(|config| config.limits.mints_per_key_per_minute = 10).await;
    let key = server.key().await;
    let another = server.key_of(&key.account).await;
    let mint = async |from: String, key: &TestKey| {
        let challenge = key.challenge(server.now());
        server.post_from(&from, "/api-key/token", &challenge).await
    };
    let limit = Limit::rate(10, 200);
    limit
        .flood(in_another_site, async |from| mint(from, &key).await)
        .await;
    // The account's other keys, and those of others, are charged apart.
    let stranger = server.key().await;
    for other in [another, stranger] {
        limit.assert_served(&mint("192.0.2.1".to_owned(), &other).await);
    }
    &["key"]
}

pub(super) async fn refreshes() -> Levels {
    let server = start_with(|config| config.limits.refreshes_per_session_per_minute = 5).await;
    let key = server.key().await;
    let refresh = async |from: String, token: &str| {
        let body = json!({ "refresh_token": token });
        server.post_from(&from, "/token/refresh", &body).await
    };
    let limit = Limit::rate(5, 200);
    let mut newest = server.mint(&key).await.refresh_token;
    for number in 0..limit.requests {
        let answer = refresh(in_another_site(number), &newest).await;
        limit.assert_served(&answer);
        newest = answer.refresh_token();
    }
    limit.assert_refused(&refresh("192.0.2.1".to_owned(), &newest).await);
    // Another session of the key. Calls that repeat an answer have ten times the limit.
    let token = server.mint(&key).await.refresh_token;
    let calls = Limit::rate(50, 200);
    calls
        .flood(in_one_network, async |from| refresh(from, &token).await)
        .await;
    calls.assert_served(&refresh("192.0.2.1".to_owned(), &token).await);
    &["session"]
}

/// The owner reads the reasons, so a flood must not displace those of another key.
pub(super) async fn key_refusals() -> Levels {
    let server = start_with(|_| {}).await;
    let (key, another) = (server.key().await, server.key().await);
    let stranger = TestKey::unregistered(&key.account);
    for number in 0..10 {
        let answer = guess(&server, &in_another_site(number), key.id(), &stranger).await;
        answer.assert_error(401, "invalid_credentials");
    }
    let answer = guess(&server, "192.0.2.1", another.id(), &stranger).await;
    answer.assert_error(401, "invalid_credentials");
    let stale = another.challenge(server.now() - jiff::SignedDuration::from_mins(2));
    let answer = server.post_from("192.0.2.1", "/api-key/token", &stale).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    // A stop writes what has gathered.
    let (folder, clock) = server.stop().await;
    let server = TestServer::start_in(folder, clock, |_| {}).await;
    let of = async |key: &TestKey| server.store.refusals_of_key(key.id()).await.unwrap();
    assert_eq!(of(&key).await.len(), 5);
    let kept: Vec<_> = of(&another).await.into_iter().map(|kept| kept.code).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    &["key", "code and address"]
}
