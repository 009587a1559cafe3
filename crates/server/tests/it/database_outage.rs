//! The database fails while the service runs, and recovers.

use std::pin::Pin;
use std::time::Duration;

use serde_json::json;
use tm_auth_proto::KeyId;
use tm_auth_store::faults::Fault;
use tm_auth_verifier::{KeySet, Policy, check, check_revocations};

use crate::support::{Answer, TestServer, at_once, eventually, jwt};

const READINESS: [&str; 2] = ["/health", "/health/ready"];

fn assert_unavailable(answer: &Answer) {
    answer.assert_error(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.body["type"], "unavailable");
}

async fn hold(broken: Fault) {
    let server = TestServer::start_with(|config| {
        config.limits.database = Duration::from_secs(1);
    })
    .await;
    let (key, unused, revoked) = (server.key().await, server.key().await, server.key().await);
    let tokens = server.mint(&key).await;
    let revoked_token = server.mint(&revoked).await.access_token;
    let path = format!("/api-keys/{}", revoked.id());
    let delete = reqwest::Method::DELETE;
    assert_eq!(
        server.manage(&revoked.account, delete, &path, None).await.status,
        200
    );
    let management = server.management_token(&key.account).await;
    let jwks = server.get("/.well-known/jwks.json").await;
    let account = key.account.clone();
    let registration =
        crate::support::TestKey::unregistered(&account).registration(server.issuer(), server.now());

    let faults = server.store.faults();
    faults.set(broken);
    server.advance(31);
    // The JWKS and the revocation list, which verifiers need, are still served and renewed.
    let set = server.get("/.well-known/jwks.json").await;
    assert_eq!(set.comparable(), jwks.comparable());
    let list = server.get("/revocations").await;
    assert_eq!(list.status, 200, "{list:?}");
    let keys = KeySet::from_json(set.text.as_bytes()).unwrap();
    let policy = Policy::new(server.issuer(), server.config.audience());
    let list = check_revocations(&list.text, &keys, &policy, server.now()).unwrap();
    assert_eq!(list.keys, [revoked.id()]);
    assert!(server.now().as_second() - list.iat < 30, "the list is renewed");
    check(&tokens.access_token, &keys, &policy, server.now()).unwrap();
    // Tokens that are invalid or revoked are refused from memory.
    for token in ["junk", &revoked_token, &tokens.refresh_token] {
        server
            .get_with("/api-key", token)
            .await
            .assert_error(401, "invalid_token");
    }
    server
        .get_with("/api-keys", &tokens.access_token)
        .await
        .assert_error(403, "management_token_required");
    // Liveness succeeds and readiness fails.
    assert_eq!(server.get("/health/live").await.status, 200);
    for answer in at_once(READINESS.map(|path| server.get(path))).await {
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (503, &json!("unavailable"))
        );
    }
    // Requests that need the database get a 503. None reports a credential as invalid.
    let mint = key.challenge(server.now());
    let not_in_memory = unused.challenge(server.now());
    let mut unknown = mint.clone();
    unknown["key_id"] = json!(KeyId::generate(server.config.environment, [7; 16]));
    let mut badly_signed = mint.clone();
    badly_signed["signature"] = key.sign("something else").into();
    let refresh = json!({ "refresh_token": tokens.refresh_token });
    let register = server
        .http
        .post(server.url("/api-keys"))
        .bearer_auth(&management)
        .json(&registration);
    // The requests run concurrently, since a database that hangs delays each until its deadline.
    let asked: Vec<Pin<Box<dyn Future<Output = Answer>>>> = vec![
        Box::pin(server.get_with("/api-key", &tokens.access_token)),
        Box::pin(server.get_with("/api-keys", &management)),
        Box::pin(server.post("/api-key/token", &mint)),
        Box::pin(server.post("/api-key/token", &not_in_memory)),
        Box::pin(server.post("/api-key/token", &unknown)),
        Box::pin(server.post("/api-key/token", &badly_signed)),
        Box::pin(server.post("/token/refresh", &refresh)),
        Box::pin(server.post("/token/revoke", &refresh)),
        Box::pin(async { Answer::of(register.send().await.unwrap()).await }),
    ];
    at_once(asked).await.iter().for_each(assert_unavailable);
    // A malformed token is refused without the database.
    server
        .refresh("junk")
        .await
        .assert_error(401, "invalid_refresh_token");

    faults.set(Fault::None);
    for path in READINESS {
        eventually(async || (server.get(path).await.status == 200).then_some(())).await;
    }
    // The same signature and refresh token still work: the outage used up nothing.
    assert_eq!(server.post("/api-key/token", &not_in_memory).await.status, 200);
    let refreshed = server.refresh(&tokens.refresh_token).await.refresh_token();
    assert_eq!(jwt::payload(&refreshed)["n"], 1);
    server.advance(1);
    server.mint(&key).await;
    assert_eq!(
        server.get_with("/api-key", &tokens.access_token).await.status,
        200
    );
    // The node learns of other nodes' changes again.
    let audit_context = tm_auth_store::AuditContext::operator(server.now());
    let uid = key.account.uid;
    server
        .store
        .revoke_key(uid, key.id(), &audit_context)
        .await
        .unwrap()
        .unwrap();
    eventually(async || {
        let answer = server.get_with("/api-key", &tokens.access_token).await;
        (answer.status != 200).then(|| answer.assert_error(401, "invalid_token"))
    })
    .await;
}

#[tokio::test]
async fn j07_tokens_can_be_verified_while_the_database_fails() {
    hold(Fault::Fail).await;
}

#[tokio::test]
async fn j07_tokens_can_be_verified_while_the_database_hangs() {
    hold(Fault::Hang).await;
}
