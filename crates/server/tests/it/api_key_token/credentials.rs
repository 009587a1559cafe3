//! A caller learns the state of a key only with a valid signature of that key.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tm_auth_core::public_key::verifications;
use tm_auth_core::{PublicKey, registration};
use tm_auth_proto::{Environment, KeyId, Scopes};
use tm_auth_server::random;
use tm_auth_store::{AuditContext, KeyLimits, NewApiKey};

use super::PATH;
use crate::support::{START, TestKey, TestServer, execute};

/// A key in each state, with the error code that its holder gets. `None`: the key works.
async fn keys_in_every_state(server: &TestServer) -> Vec<(TestKey, Option<&'static str>)> {
    let live = server.key().await;
    let revoked = server.key().await;
    let expired = server.key().await;
    let pending = pending_key(server).await;
    let disabled = server.key().await;
    let elsewhere = server.key().await;
    let path = |key: &TestKey| format!("/api-keys/{}", key.id());
    let patch = async |key: &TestKey, change: Value| {
        let answer = server
            .manage(&key.account, reqwest::Method::PATCH, &path(key), Some(change))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    patch(
        &expired,
        json!({ "expires_at": server.now() + SignedDuration::from_secs(1) }),
    )
    .await;
    patch(&elsewhere, json!({ "allowed_ips": ["203.0.113.7"] })).await;
    let answer = server
        .manage(&revoked.account, reqwest::Method::DELETE, &path(&revoked), None)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let operator = AuditContext::operator(server.now());
    let done = server
        .store
        .set_account_disabled(disabled.account.uid, Some(server.now()), &operator);
    assert!(done.await.unwrap());
    server.advance(1);
    vec![
        (live, None),
        (revoked, Some("key_revoked")),
        (expired, Some("key_expired")),
        (pending, Some("key_pending")),
        (disabled, Some("account_disabled")),
        (elsewhere, Some("ip_not_allowed")),
    ]
}

/// A key as the page registers it: pending until its owner confirms it.
async fn pending_key(server: &TestServer) -> TestKey {
    let account = server.account().await;
    let key = TestKey::unregistered(&account);
    let proof = key
        .signer
        .registration_proof(server.issuer(), account.uid, server.now())
        .unwrap();
    let public_key = PublicKey::parse(&key.signer.public_jwk()).unwrap();
    let new = NewApiKey {
        key_id: KeyId::generate(Environment::Uat, random::bytes()),
        uid: account.uid,
        label: "pending".to_owned(),
        public_key: registration::verify_possession(
            public_key,
            &proof,
            server.issuer(),
            account.uid,
            server.now(),
        )
        .unwrap(),
        scopes: Scopes::ALL,
        allowed_ips: Vec::new(),
        created_at: server.now(),
        active: false,
        expires_at: None,
    };
    let audit_context = AuditContext::operator(server.now());
    let limits = KeyLimits {
        live: 20,
        per_day: 100,
    };
    let registered = server
        .store
        .register_key(new, limits, &audit_context)
        .await
        .unwrap()
        .unwrap();
    key.registered(registered.key_id)
}

#[tokio::test]
async fn d06_without_a_valid_signature_every_key_looks_unknown() {
    let server = TestServer::start().await;
    let states = keys_in_every_state(&server).await;
    let stranger = TestKey::unregistered(&server.account().await);
    let answer = async |key_id: &str| {
        let signature = stranger.sign(&format!("{key_id}.{}", START + 1));
        let challenge = json!({ "key_id": key_id, "timestamp": START + 1, "signature": signature });
        let answer = server.post(PATH, &challenge).await;
        answer.assert_error(401, "invalid_credentials");
        answer.comparable()
    };
    let unknown = answer(&KeyId::generate(Environment::Uat, random::bytes()).to_string()).await;
    // A UUID that this service cannot have created gets the same answer.
    let foreign = answer(
        &uuid::Builder::from_random_bytes(random::bytes())
            .into_uuid()
            .to_string(),
    )
    .await;
    assert_eq!(foreign, unknown);
    for (key, _) in &states {
        // Twice: the second time, the key is in the cache.
        for _ in 0..2 {
            assert_eq!(answer(&key.id().to_string()).await, unknown, "{:?}", key.id());
        }
    }
}

/// Runs on one thread, so that the count of this thread is the count of the service.
#[tokio::test]
async fn d07_an_unknown_key_costs_one_verification_and_one_read_like_a_wrong_signature() {
    let server = TestServer::start().await;
    let mut key_ids = vec![
        KeyId::generate(Environment::Uat, random::bytes()),
        KeyId::generate(Environment::Uat, random::bytes()),
    ];
    for (key, _) in keys_in_every_state(&server).await {
        key_ids.push(key.id());
    }
    let stranger = TestKey::unregistered(&server.account().await);
    for key_id in key_ids {
        // Twice: the second time, the key is in the cache.
        for _ in 0..2 {
            let signature = stranger.sign(&format!("{key_id}.{}", START + 1));
            let challenge = json!({ "key_id": key_id, "timestamp": START + 1, "signature": signature });
            let (verified, read) = (
                verifications::of_this_thread(),
                server.store.faults().calls("api_key"),
            );
            server
                .post(PATH, &challenge)
                .await
                .assert_error(401, "invalid_credentials");
            let verified = verifications::of_this_thread() - verified;
            let read = server.store.faults().calls("api_key") - read;
            assert_eq!((verified, read), (1, 1), "{key_id}");
        }
    }
}

#[tokio::test]
async fn d06_with_a_valid_signature_the_holder_learns_the_state() {
    let server = TestServer::start().await;
    for (key, told) in keys_in_every_state(&server).await {
        for _ in 0..2 {
            let answer = server.post(PATH, &key.challenge(server.now())).await;
            match told {
                None => assert_eq!(answer.status, 200, "{answer:?}"),
                Some(code) => answer.assert_error(401, code),
            }
        }
    }
}

#[tokio::test]
async fn d06_a_key_id_of_the_other_environment_gets_its_own_error() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let there = KeyId::generate(Environment::Production, random::bytes());
    let signature = key.sign(&format!("{there}.{START}"));
    let challenge = json!({ "key_id": there, "timestamp": START, "signature": signature });
    let answer = server.post(PATH, &challenge).await;
    answer.assert_error(401, "wrong_environment");
    assert!(
        answer.body["message"].as_str().unwrap().contains("production"),
        "{answer:?}"
    );
}

/// The test changes the store directly, so the node does not drop its cached copy of the key.
#[tokio::test]
async fn d06_a_change_takes_effect_although_the_key_is_cached() {
    let server = TestServer::start().await;
    let key = server.key().await;
    server.mint(&key).await;
    let operator = AuditContext::operator(server.now());
    let uid = key.account.uid;
    server
        .store
        .set_account_disabled(uid, Some(server.now()), &operator)
        .await
        .unwrap();
    let answer = server.post(PATH, &key.challenge(server.now())).await;
    answer.assert_error(401, "account_disabled");
    server
        .store
        .set_account_disabled(uid, None, &operator)
        .await
        .unwrap();
    server.advance(1);
    server.mint(&key).await;
    let revoked = server.store.revoke_key(uid, key.id(), &operator).await.unwrap();
    assert!(revoked.is_ok());
    let answer = server.post(PATH, &key.challenge(server.now())).await;
    answer.assert_error(401, "key_revoked");
}

/// The test deletes the rows with SQL. The database counts, not the cached copy of the key.
#[tokio::test]
async fn d06_a_key_of_a_deleted_account_looks_unknown_even_to_its_holder() {
    let server = TestServer::start().await;
    let (cached, fresh) = (server.key().await, server.key().await);
    server.mint(&cached).await;
    for table in ["sessions", "api_keys", "accounts"] {
        execute(&server, &format!("DELETE FROM {table}")).unwrap();
    }
    let unknown_key = KeyId::generate(Environment::Uat, random::bytes());
    let signature = cached.sign(&format!("{unknown_key}.{START}"));
    let unknown = json!({ "key_id": unknown_key, "timestamp": START, "signature": signature });
    let unknown = server.post(PATH, &unknown).await.comparable();
    for key in [cached, fresh] {
        let answer = server.post(PATH, &key.challenge(server.now())).await;
        answer.assert_error(401, "invalid_credentials");
        assert_eq!(answer.comparable(), unknown);
    }
}
