//! Floods of what takes memory: bytes of a request, copies of keys, and the limits themselves.

use jiff::Timestamp;
use serde_json::json;
use tm_auth_server::app::api_key_cache::ApiKeyCache;
use tm_auth_server::rate_limits::limiter::{Rate, RateLimiter};

use super::Levels;
use super::parties::{in_another_site, start_with};
use crate::support::{START, TestServer};

pub(super) async fn request_bytes() -> Levels {
    let server = start_with(|config| {
        config.limits.header_bytes = 8192;
        config.limits.body_bytes = 4096;
    })
    .await;
    let get = async |bytes: usize| {
        let request = server.http.get(server.url("/revocations"));
        let long = request.header("x-long", "a".repeat(bytes));
        long.send().await.unwrap().status().as_u16()
    };
    let post = async |bytes: usize| {
        let body = json!({ "refresh_token": "a".repeat(bytes) });
        server.post_from("192.0.2.1", "/token/refresh", &body).await
    };
    for _ in 0..10 {
        assert_eq!(get(9_000).await, 431);
        post(5_000).await.assert_error(413, "body_too_large");
        // Smaller requests of the same client.
        assert_eq!(get(4_000).await, 200);
        post(3_000).await.assert_error(401, "invalid_refresh_token");
    }
    &["request"]
}

pub(super) async fn key_copies() -> Levels {
    let server = TestServer::start().await;
    let mut keys = Vec::new();
    for _ in 0..30 {
        keys.push(server.key().await);
    }
    let cache = ApiKeyCache::new(server.store.clone(), 10);
    let used_often = &keys[0];
    for _ in 0..5 {
        for key in &keys {
            for key_id in [used_often.id(), key.id()] {
                let found = cache.get(key_id).await.unwrap();
                assert_eq!(found.key.unwrap().key_id, key_id);
            }
            assert!(cache.len() <= 10);
        }
    }
    assert!(cache.get(used_often.id()).await.unwrap().is_copy);
    let copies = keys.iter().filter(|key| cache.has(key.id())).count();
    assert_eq!(copies, 10);
    &["all"]
}

pub(super) async fn limiter_entries() -> Levels {
    let now = Timestamp::from_second(START).unwrap();
    let capacity = 1_600;
    let limiter = RateLimiter::new(Rate::per_minute(10), capacity);
    for _ in 0..10 {
        limiter.charge_or_refuse("loud".to_owned(), now).unwrap();
    }
    // Parties that use one request each.
    for number in 0..100_000 {
        limiter.charge_or_refuse(in_another_site(number), now).unwrap();
        assert!(limiter.len() <= capacity);
    }
    // The flood neither frees the party that is limited, nor limits one that sends nothing.
    limiter.peek(&"loud".to_owned(), now).unwrap_err();
    limiter.peek(&"quiet".to_owned(), now).unwrap();
    &["all"]
}
