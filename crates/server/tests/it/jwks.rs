//! `GET /.well-known/jwks.json` at both of its URLs, and the keys behind it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tm_auth_core::signing::{Algorithm, KeyState, Purpose, Sealed, StoredSigningKey};
use tm_auth_server::clock::ManualClock;
use tm_auth_server::config::SigningAlgorithm;
use tm_auth_store::sqlite::Role;
use tm_auth_store::{AuditAction, AuditContext};
use tm_auth_verifier::{KeySet, Policy, check};

use crate::support::{Answer, START, TestServer, eventually, jwt, open};

const JWKS: &str = "/.well-known/jwks.json";

fn kids(jwks: &Answer) -> Vec<String> {
    let keys = jwks.body["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

async fn stored(server: &TestServer, purpose: Purpose, state: KeyState) -> Vec<String> {
    let keys = server.signing_keys().list().await.unwrap();
    let fits = |key: &StoredSigningKey| key.purpose == purpose && key.state() == state;
    keys.into_iter().filter(fits).map(|key| key.kid).collect()
}

async fn assert_public_members(algorithm: SigningAlgorithm, kty: &str, own: &[&str]) {
    let server = TestServer::start_with(|config| config.tokens.algorithm = algorithm).await;
    let answer = server.get(JWKS).await;
    assert_eq!(answer.body.as_object().unwrap().len(), 1);
    let keys = answer.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "the signing key and the next key");
    for key in keys {
        let members: BTreeSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: BTreeSet<&str> = ["kty", "kid", "use", "alg"].iter().chain(own).copied().collect();
        assert_eq!(members, expected);
        assert_eq!(
            (key["kty"].as_str(), key["use"].as_str(), key["alg"].as_str()),
            (Some(kty), Some("sig"), Some(algorithm.as_str()))
        );
    }
    assert_ne!(keys[0]["kid"], keys[1]["kid"]);
}

#[tokio::test]
async fn b01_the_set_holds_public_members_only() {
    assert_public_members(SigningAlgorithm::RS256, "RSA", &["n", "e"]).await;
    assert_public_members(SigningAlgorithm::ES256, "EC", &["crv", "x", "y"]).await;
    assert_public_members(SigningAlgorithm::EdDSA, "OKP", &["crv", "x"]).await;
}

#[tokio::test]
async fn b01_the_set_is_cacheable_at_both_urls() {
    let server = TestServer::start().await;
    let one = server.get(JWKS).await;
    let elsewhere = server.http.get(format!("{}{JWKS}", server.origin));
    let other = Answer::of(elsewhere.send().await.unwrap()).await;
    assert_eq!((one.status, one.comparable()), (200, other.comparable()));
    assert_eq!(one.header("cache-control"), "public, max-age=300");
    let etag = one.header("etag");
    let conditional = |tag: &str| {
        let request = server.http.get(server.url(JWKS)).header("if-none-match", tag);
        async { Answer::of(request.send().await.unwrap()).await }
    };
    for known in [
        etag.to_owned(),
        format!("W/{etag}"),
        format!("\"x\", {etag}"),
        "*".to_owned(),
    ] {
        let answer = conditional(&known).await;
        assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{known}");
        assert_eq!(answer.header("etag"), etag);
    }
    assert_eq!(conditional("\"x\"").await.status, 200);
}

#[tokio::test]
async fn b01_a_forged_key_in_the_database_is_not_published() {
    let server = TestServer::start().await;
    let before = kids(&server.get(JWKS).await);
    let (version, keys) = server.store.signing_keys().await.unwrap();
    let genuine = keys
        .iter()
        .find(|key| key.purpose == Purpose::AccessToken)
        .unwrap();
    let forged = |kid: &str, sealed: Sealed| StoredSigningKey {
        kid: kid.to_owned(),
        purpose: Purpose::AccessToken,
        algorithm: Some(Algorithm::ES256),
        sealed,
        published_at: server.now() + SignedDuration::from_secs(1),
        signing_since: None,
        retired_at: None,
    };
    let put = vec![
        forged("uat-forged", Sealed(vec![1; 200])),
        // A genuine key under a key id that was not sealed with it.
        forged("uat-renamed", genuine.sealed.clone()),
    ];
    let audit_context = AuditContext::operator(server.now());
    assert!(
        server
            .store
            .update_signing_keys(version, put, Vec::new(), &audit_context)
            .await
            .unwrap()
    );
    assert_eq!(kids(&server.another_node().await.get(JWKS).await), before);
    // The running node refuses the forged keys too: it reads them with the later rotation.
    server.advance(25 * 3600);
    server.signing_keys().rotate(server.now()).await.unwrap();
    let after = eventually(async || {
        let now = kids(&server.get(JWKS).await);
        (now != before).then_some(now)
    })
    .await;
    assert_eq!(after.len(), 3);
    assert!(
        !after
            .iter()
            .any(|kid| kid == "uat-forged" || kid == "uat-renamed")
    );
}

#[tokio::test]
async fn b03_a_revoked_signing_key_is_refused_at_once_and_verifiers_have_the_next_key() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let old = server.mint(&key).await;
    let before = server.get(JWKS).await;
    let cached = KeySet::from_json(before.text.as_bytes()).unwrap();
    let compromised = jwt::header(&old.access_token)["kid"].as_str().unwrap().to_owned();
    let [signing, next_key] = kids(&before).try_into().unwrap();
    assert_eq!(signing, compromised);
    assert_eq!(server.get_with("/api-key", &old.access_token).await.status, 200);

    server
        .signing_keys()
        .revoke(&compromised, server.now())
        .await
        .unwrap();
    let revoked = Instant::now();
    eventually(async || {
        let answer = server.get_with("/api-key", &old.access_token).await;
        (answer.status != 200).then(|| answer.assert_error(401, "invalid_token"))
    })
    .await;
    let took = revoked.elapsed();
    println!("tokens of a revoked signing key were refused after {took:?}");
    assert!(took < Duration::from_secs(5));
    let after = kids(&server.get(JWKS).await);
    assert!(!after.contains(&compromised) && after.len() == 2, "{after:?}");
    assert_eq!(after[0], next_key);

    // Sessions stay valid. Their tokens are signed with a key that every verifier already has.
    let new = server.refresh(&old.refresh_token).await.access_token();
    assert_eq!(jwt::header(&new)["kid"], next_key);
    let policy = Policy::new(server.issuer(), server.config.audience());
    check(&new, &cached, &policy, server.now()).unwrap();
    let trail = server.store.audit_trail(None, 1).await.unwrap();
    assert_eq!(trail[0].action, AuditAction::SigningKeyRevoked);
}

#[tokio::test]
async fn b03_a_revoked_mac_key_voids_its_refresh_tokens() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let old = server.mint(&key).await;
    let kid = jwt::header(&old.refresh_token)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    server.signing_keys().revoke(&kid, server.now()).await.unwrap();
    eventually(async || {
        let answer = server.refresh(&old.refresh_token).await;
        // 503: the key was revoked during the request.
        (![200, 503].contains(&answer.status)).then(|| answer.assert_error(401, "invalid_refresh_token"))
    })
    .await;
    // The access token and new sessions are not affected.
    assert_eq!(server.get_with("/api-key", &old.access_token).await.status, 200);
    let new = server.mint(&key).await;
    server.refresh(&new.refresh_token).await.refresh_token();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b04_two_nodes_that_start_concurrently_on_an_empty_database_agree_on_its_keys() {
    for algorithm in [SigningAlgorithm::RS256, SigningAlgorithm::ES256] {
        let folder = Arc::new(TempDir::new().unwrap());
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(START).unwrap()));
        let start = async |role| {
            let store = Arc::new(open(&folder, role).await);
            TestServer::start_on(store, folder.clone(), clock.clone(), |config| {
                config.tokens.algorithm = algorithm;
                config.public_url = "http://localhost:1/v1/auth".parse().unwrap();
            })
            .await
        };
        let (one, other) = tokio::join!(start(Role::Server), start(Role::Command));
        let (ours, theirs) = (one.get(JWKS).await, other.get(JWKS).await);
        assert_eq!(ours.comparable(), theirs.comparable());
        assert_eq!(kids(&ours).len(), 2);
        for purpose in [Purpose::AccessToken, Purpose::RefreshToken] {
            assert_eq!(stored(&one, purpose, KeyState::Signing).await.len(), 1);
        }
        // Each node accepts the tokens of the other.
        let key = one.key().await;
        let tokens = one.mint(&key).await;
        assert_eq!(other.get_with("/api-key", &tokens.access_token).await.status, 200);
        let kid: Value =
            jwt::header(&other.refresh(&tokens.refresh_token).await.access_token())["kid"].clone();
        assert_eq!(kid, kids(&ours)[0]);
    }
}
