//! Which limit a request counts against, and which forwarded address the service trusts.

use serde_json::{Value, json};
use tm_auth_proto::{Environment, KeyId};
use tm_auth_server::config::Forwarded;
use tm_auth_server::random;

use super::PATH;
use crate::support::{Answer, START, TestKey, TestServer};

/// A server that trusts the tests, which connect from 127.0.0.1, as its proxy.
async fn behind_a_proxy() -> TestServer {
    TestServer::start_with(|config| {
        config.network.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.network.forwarded = Some(Forwarded::XForwardedFor);
    })
    .await
}

async fn post_from(server: &TestServer, forwarded_for: &str, body: &Value) -> Answer {
    let request = server
        .http
        .post(server.url(PATH))
        .header("x-forwarded-for", forwarded_for);
    Answer::of(request.json(body).send().await.unwrap()).await
}

/// The client's address as the service sees it, for the limits and for `allowed_ips`.
async fn seen(server: &TestServer, token: &str, lines: &[&str]) -> String {
    let mut request = server.http.get(server.url("/api-key")).bearer_auth(token);
    for line in lines {
        request = request.header("x-forwarded-for", *line);
    }
    let answer = Answer::of(request.send().await.unwrap()).await;
    answer.body["seen_ip"].as_str().unwrap().to_owned()
}

fn guess(key_id: KeyId, stranger: &TestKey) -> Value {
    json!({ "key_id": key_id, "timestamp": START, "signature": stranger.sign("a guess") })
}

#[tokio::test]
async fn d16_a_thousand_bad_signatures_limit_their_sender_and_not_the_owner() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    let guess = guess(key.id(), &TestKey::unregistered(&key.account));
    let (attacker, owner) = ("198.51.100.66", "203.0.113.9");
    let mut refused = 0;
    for _ in 0..1000 {
        let answer = post_from(&server, attacker, &guess).await;
        if answer.status == 429 {
            answer.assert_error(429, "rate_limited");
            assert_eq!(
                answer.header("retry-after"),
                "2",
                "30 a minute are one every 2 seconds"
            );
            refused += 1;
        } else {
            answer.assert_error(401, "invalid_credentials");
        }
    }
    assert_eq!(refused, 1000 - 30);
    // A valid signature from there is refused too. Otherwise the answer would reveal a right guess.
    let answer = post_from(&server, attacker, &key.challenge(server.now())).await;
    answer.assert_error(429, "rate_limited");
    // The owner still has the full limit.
    for _ in 0..60 {
        let answer = post_from(&server, owner, &key.challenge(server.now())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Another key works from the attacker's address, since its limit is its own.
    let neighbour = server.key().await;
    let answer = post_from(&server, attacker, &neighbour.challenge(server.now())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // After two seconds one more attempt is allowed.
    server.advance(2);
    post_from(&server, attacker, &guess)
        .await
        .assert_error(401, "invalid_credentials");
}

#[tokio::test]
async fn d16_guesses_at_many_keys_count_against_their_address() {
    let server = behind_a_proxy().await;
    let stranger = TestKey::unregistered(&server.account().await);
    let mut answers = Vec::new();
    for _ in 0..310 {
        let any = KeyId::generate(Environment::Uat, random::bytes());
        answers.push(
            post_from(&server, "198.51.100.66", &guess(any, &stranger))
                .await
                .status,
        );
    }
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert_eq!((refused, answers[299], answers[300]), (10, 401, 429));
    let key = server.key().await;
    let answer = post_from(&server, "198.51.100.67", &key.challenge(server.now())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn d16_an_authenticated_key_has_its_own_limit() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    for turn in 0..60 {
        let from = format!("203.0.113.{turn}");
        let answer = post_from(&server, &from, &key.challenge(server.now())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = post_from(&server, "203.0.113.200", &key.challenge(server.now())).await;
    answer.assert_error(429, "rate_limited");
    server.advance(1);
    let answer = post_from(&server, "203.0.113.200", &key.challenge(server.now())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn d16_a_replayed_request_counts_against_its_sender() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    let seen_once = key.challenge(server.now());
    assert_eq!(post_from(&server, "203.0.113.9", &seen_once).await.status, 200);
    for turn in 0..100 {
        let answer = post_from(&server, "198.51.100.66", &seen_once).await;
        if turn < 30 {
            answer.assert_error(401, "replayed");
        } else {
            answer.assert_error(429, "rate_limited");
        }
    }
    // The owner has spent one of 60 requests: their own.
    for _ in 1..60 {
        let answer = post_from(&server, "203.0.113.9", &key.challenge(server.now())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let answer = post_from(&server, "203.0.113.9", &key.challenge(server.now())).await;
    answer.assert_error(429, "rate_limited");
}

#[tokio::test]
async fn d16_the_holder_of_a_revoked_key_is_limited_too() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    let path = format!("/api-keys/{}", key.id());
    let answer = server
        .manage(&key.account, reqwest::Method::DELETE, &path, None)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for turn in 0..62 {
        let answer = post_from(&server, "203.0.113.9", &key.challenge(server.now())).await;
        if turn < 60 {
            answer.assert_error(401, "key_revoked");
        } else {
            answer.assert_error(429, "rate_limited");
        }
    }
}

#[tokio::test]
async fn i06_the_right_most_untrusted_hop_is_the_client() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    let token = server.mint(&key).await.access_token;
    let fifty = ["10.9.9.9"; 50].join(", ");
    for (lines, expected) in [
        (&[][..], "127.0.0.1"),
        (&["203.0.113.9"], "203.0.113.9"),
        (&["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (&["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (&["127.0.0.1, 203.0.113.9, 127.0.0.1"], "203.0.113.9"),
        (&[&fifty, "203.0.113.9"], "203.0.113.9"),
        (&["203.0.113.9:4711"], "203.0.113.9"),
        (&["[2001:db8::9]:4711"], "2001:db8::9"),
        (&["2001:db8::9"], "2001:db8::9"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&["unknown"], "127.0.0.1"),
        (&["203.0.113.9, <script>"], "127.0.0.1"),
        (&["999.999.999.999"], "127.0.0.1"),
    ] {
        assert_eq!(seen(&server, &token, lines).await, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn i06_the_header_of_an_untrusted_peer_is_ignored() {
    // No proxy is configured, another one is, or `forwarded` is `none`.
    let without = TestServer::start().await;
    let another = TestServer::start_with(|config| {
        config.network.trusted_proxies = vec!["192.0.2.0/24".parse().unwrap()];
        config.network.forwarded = Some(Forwarded::XForwardedFor);
    })
    .await;
    let silent = TestServer::start_with(|config| {
        config.network.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.network.forwarded = Some(Forwarded::None);
    })
    .await;
    for server in [without, another, silent] {
        let key = server.key().await;
        let token = server.mint(&key).await.access_token;
        assert_eq!(seen(&server, &token, &["203.0.113.9"]).await, "127.0.0.1");
        // A client cannot evade its limit by writing another address into each request.
        let guess = guess(key.id(), &TestKey::unregistered(&key.account));
        for turn in 0..31 {
            let answer = post_from(&server, &format!("203.0.113.{turn}"), &guess).await;
            assert_eq!(answer.status, if turn < 30 { 401 } else { 429 }, "{turn}");
        }
    }
}

#[tokio::test]
async fn i06_a_limit_is_neither_evaded_nor_moved_onto_a_victim() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    let guess = guess(key.id(), &TestKey::unregistered(&key.account));
    // The proxy appends the real address after what the client wrote.
    for turn in 0..40 {
        let forged = format!("203.0.113.{turn}, 198.51.100.66");
        let answer = post_from(&server, &forged, &guess).await;
        assert_eq!(answer.status, if turn < 30 { 401 } else { 429 }, "{turn}");
    }
    let victim = post_from(&server, "203.0.113.1", &key.challenge(server.now())).await;
    assert_eq!(victim.status, 200, "{victim:?}");
    // An IPv6 client picks addresses freely within its /64.
    for turn in 0..40 {
        let answer = post_from(&server, &format!("2001:db8:1:2::{turn:x}"), &guess).await;
        assert_eq!(answer.status, if turn < 30 { 401 } else { 429 }, "{turn}");
    }
    post_from(&server, "2001:db8:1:3::1", &guess)
        .await
        .assert_error(401, "invalid_credentials");
}

#[tokio::test]
async fn i06_allowed_ips_apply_to_the_address_that_the_proxy_saw() {
    let server = behind_a_proxy().await;
    let key = server.key().await;
    let path = format!("/api-keys/{}", key.id());
    let change = json!({ "allowed_ips": ["203.0.113.0/24"] });
    let answer = server
        .manage(&key.account, reqwest::Method::PATCH, &path, Some(change))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = post_from(
        &server,
        "203.0.113.9, 198.51.100.66",
        &key.challenge(server.now()),
    )
    .await;
    answer.assert_error(401, "ip_not_allowed");
    let message = answer.body["message"].as_str().unwrap();
    assert!(
        message.contains("198.51.100.66"),
        "the message names the address that counts: {message}"
    );
    let answer = post_from(
        &server,
        "198.51.100.66, 203.0.113.9",
        &key.challenge(server.now()),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
