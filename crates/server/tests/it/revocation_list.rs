//! `GET /revocations`, and its use by resource servers.

use std::time::{Duration, Instant};

use tm_auth_proto::ErrorCode;
use tm_auth_server::config::Kek;
use tm_auth_server::signing_keys::rotation::SigningKeys;
use tm_auth_store::{AuditAction, AuditContext};
use tm_auth_verifier::{InvalidToken, Revoked, Verifier, VerifyError};

use crate::support::{ServerTime, TestKey, TestServer, eventually, jwt};

/// The poll interval of the verifier.
const POLL: Duration = Duration::from_secs(1);

async fn verifier(server: &TestServer) -> Verifier {
    let verifier = Verifier::builder(server.issuer(), server.config.audience())
        .environment(server.config.environment)
        .clock(ServerTime(server.clock.clone()))
        .poll_interval(POLL)
        .build()
        .unwrap();
    verifier.refresh().await.unwrap();
    verifier
}

async fn revoke(server: &TestServer, key: &TestKey) {
    let path = format!("/api-keys/{}", key.id());
    let answer = server
        .manage(&key.account, reqwest::Method::DELETE, &path, None)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_e10_a_revoked_key_is_refused_on_every_node_and_soon_by_every_verifier() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    let verifier = verifier(&server).await;
    let (key, other) = (server.key().await, server.key().await);
    let (tokens, others) = (server.mint(&key).await, server.mint(&other).await);
    verifier.verify(&tokens.access_token).await.unwrap();
    // The other node caches the key.
    node.mint(&key).await;

    revoke(&server, &key).await;
    let acknowledged = Instant::now();
    // The key is listed at once, and both nodes refuse to mint or refresh.
    let list = server.get("/revocations").await;
    assert_eq!(jwt::payload(&list.text)["keys"], serde_json::json!([key.id()]));
    for node in [&server, &node] {
        node.post("/api-key/token", &key.challenge(node.now()))
            .await
            .assert_error(401, ErrorCode::KeyRevoked.as_str());
        node.refresh(&tokens.refresh_token)
            .await
            .assert_error(401, ErrorCode::KeyRevoked.as_str());
    }

    let refusal = eventually(async || verifier.verify(&tokens.access_token).await.err()).await;
    let took = acknowledged.elapsed();
    println!("a verifier that polls every {POLL:?} refused the revoked key's token after {took:?}");
    assert!(matches!(
        refusal,
        VerifyError::InvalidToken(InvalidToken::Revoked(Revoked::Key))
    ));
    assert!(took < POLL + Duration::from_secs(10));
    verifier.verify(&others.access_token).await.unwrap();

    // The other node soon serves a list with the same `ETag`.
    let etag = list.header("etag").to_owned();
    eventually(async || (node.get("/revocations").await.header("etag") == etag).then_some(())).await;
    node.get_with("/api-key", &tokens.access_token)
        .await
        .assert_error(401, "invalid_token");
    let trail = server.store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(
        (trail[0].action.clone(), trail[0].key_id),
        (AuditAction::KeyRevoked, Some(key.id()))
    );
}

#[tokio::test]
async fn c10_a_slow_read_does_not_bring_back_an_old_list() {
    let server = TestServer::start().await;
    let (slow, fast) = (server.key().await, server.key().await);
    let token = server.mint(&fast).await.access_token;
    let (was_read, let_go) = server.store.faults().hold_next_answer("revocations");
    let second = async {
        was_read.await.unwrap();
        let revoking = revoke(&server, &fast);
        // The second revocation must wait for the slow one, which would overwrite its list.
        let patience = tokio::time::timeout(Duration::from_millis(200), revoking);
        let done = patience.await.is_ok();
        let_go.send(()).unwrap();
        if !done {
            revoke(&server, &fast).await;
        }
    };
    tokio::join!(revoke(&server, &slow), second);
    server
        .get_with("/api-key", &token)
        .await
        .assert_error(401, "invalid_token");
}

#[tokio::test]
async fn c10_an_account_disabled_directly_in_the_store_is_listed() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    let audit_context = AuditContext::operator(server.now());
    server
        .store
        .set_account_disabled(key.account.uid, Some(server.now()), &audit_context)
        .await
        .unwrap();
    eventually(async || {
        let answer = server.get_with("/api-key", &tokens.access_token).await;
        (answer.status != 200).then(|| answer.assert_error(401, "invalid_token"))
    })
    .await;
    let list = jwt::payload(&server.get("/revocations").await.text);
    let uid = key.account.uid.to_string();
    assert_eq!(list["uids"][uid], server.revoked_before());
}

#[tokio::test]
async fn c10_a_node_that_cannot_unseal_the_keys_still_learns_of_revocations() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let tokens = server.mint(&key).await;
    // The operator rewraps the keys before this node has the new key-encryption key.
    let mut config = server.config.clone();
    let new = Kek::new(std::array::from_fn(|index| {
        u8::try_from(index * 11 % 253).unwrap()
    }))
    .unwrap();
    config.keys.previous_kek = Some(std::mem::replace(&mut config.keys.kek, new));
    let rewrapped = SigningKeys::new(server.store.clone(), &config);
    rewrapped.rewrap(server.now()).await.unwrap();
    assert!(server.signing_keys().ring().await.is_err());

    let (uid, key_id) = (key.account.uid, key.id());
    let audit_context = AuditContext::operator(server.now());
    server
        .store
        .revoke_key(uid, key_id, &audit_context)
        .await
        .unwrap()
        .unwrap();
    eventually(async || {
        let answer = server.get_with("/api-key", &tokens.access_token).await;
        (answer.status != 200).then(|| answer.assert_error(401, "invalid_token"))
    })
    .await;
    // The node keeps serving the JWKS of the keys that it had unsealed before.
    let other = server.store.account(uid).await.unwrap().unwrap();
    assert_eq!(server.store.accounts().await.unwrap(), [other]);
    assert_eq!(server.get("/.well-known/jwks.json").await.status, 200);
}

#[tokio::test]
async fn c10_an_entry_stays_until_all_its_tokens_have_expired() {
    // Tokens expire after ten minutes here, but an earlier configuration may have allowed an hour.
    let server = TestServer::start_with(|config| config.tokens.access_ttl_seconds = 600).await;
    let key = server.key().await;
    server.mint(&key).await;
    revoke(&server, &key).await;
    let listed = async || jwt::payload(&server.get("/revocations").await.text)["keys"].clone();
    server.advance(3600 + 60);
    assert_eq!(listed().await, serde_json::json!([key.id()]));
    server.advance(61);
    assert_eq!(listed().await, serde_json::json!([]));
}

#[tokio::test]
async fn c10_a_temporary_clock_jump_loses_no_revocation() {
    const STEP: i64 = 20 * 3600;
    let server = TestServer::start().await;
    let (key, other) = (server.key().await, server.key().await);
    let tokens = server.mint(&key).await;
    revoke(&server, &key).await;
    server.advance(STEP);
    // During the jump, the service reads the list again and a sweep deletes old rows.
    revoke(&server, &other).await;
    let retention = server.app.retention();
    server.store.sweep(server.now(), &retention).await.unwrap();
    server.advance(-STEP);
    revoke(&server, &server.key().await).await;
    server
        .get_with("/api-key", &tokens.access_token)
        .await
        .assert_error(401, "invalid_token");
    let list = jwt::payload(&server.get("/revocations").await.text);
    let listed = list["keys"].as_array().unwrap();
    assert!(listed.contains(&serde_json::json!(key.id())), "{listed:?}");
}

#[tokio::test]
async fn c10_the_list_is_signed_once_per_slot_and_its_etag_identifies_its_content() {
    let server = TestServer::start().await;
    let node = server.another_node().await;
    let (one, again) = (server.get("/revocations").await, server.get("/revocations").await);
    assert_eq!(one.comparable(), again.comparable());
    assert_eq!(one.text, again.text, "signed once");
    assert_eq!(
        (one.header("content-type"), one.header("cache-control")),
        ("application/jwt", "no-cache")
    );
    assert_eq!(jwt::header(&one.text)["typ"], "revocations+jwt");
    assert_eq!(node.get("/revocations").await.header("etag"), one.header("etag"));
    let list = jwt::payload(&one.text);
    let slot = server.now().as_second() / 30 * 30;
    assert_eq!((&list["iat"], &list["exp"]), (&slot.into(), &(slot + 120).into()));
    server.advance(30);
    let later = server.get("/revocations").await;
    assert_ne!(later.header("etag"), one.header("etag"));
    assert_eq!(jwt::payload(&later.text)["iat"], slot + 30);
}
