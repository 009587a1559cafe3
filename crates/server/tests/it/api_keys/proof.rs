//! The proof of possession is checked before the look-up, so that strangers learn nothing.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_client::Signer;
use tm_auth_core::Account;

use super::{PATH, path_of};
use crate::key_forms::point;
use crate::support::{Answer, TestKey, TestServer, jwt};

/// The body with which this account registers the key of this signer.
fn registration(server: &TestServer, signer: &Signer, account: &Account) -> Value {
    let proof = signer
        .registration_proof(server.issuer(), account.uid, server.now())
        .unwrap();
    json!({ "label": "bot", "public_key": signer.public_jwk(), "proof": proof })
}

async fn register(server: &TestServer, account: &Account, body: Value) -> Answer {
    server.manage(account, Method::POST, PATH, Some(body)).await
}

#[tokio::test]
async fn c07_a_key_is_registered_once_and_the_conflict_does_not_name_its_owner() {
    let server = TestServer::start().await;
    let key = server.key().await;
    let (owner, other) = (key.account.clone(), server.account().await);
    let mut conflicts = Vec::new();
    for account in [&owner, &other] {
        let answer = register(&server, account, registration(&server, &key.signer, account)).await;
        answer.assert_error(409, "key_already_registered");
        assert!(
            !answer.text.contains(&owner.uid.to_string()) && !answer.text.contains(&key.id().to_string())
        );
        conflicts.push(answer.comparable());
    }
    // In another form it is the same key.
    let mut hexadecimal = registration(&server, &key.signer, &other);
    hexadecimal["public_key"] = json!(crate::key_forms::hex(&point(&key.signer)));
    let answer = register(&server, &other, hexadecimal).await;
    answer.assert_error(409, "key_already_registered");

    let minted = server.mint(&key).await;
    assert_eq!(jwt::payload(&minted.access_token)["uid"], owner.uid.to_string());
    let revoked = server.manage(&owner, Method::DELETE, &path_of(&key), None).await;
    assert_eq!(revoked.status, 200);
    for account in [&owner, &other] {
        let answer = register(&server, account, registration(&server, &key.signer, account)).await;
        answer.assert_error(409, "key_already_registered");
        conflicts.push(answer.comparable());
    }
    assert!(conflicts.iter().all(|conflict| *conflict == conflicts[0]));
    assert!(
        server
            .store
            .live_api_keys(other.uid, server.now())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn c07_without_its_private_key_a_registered_key_looks_unknown() {
    let server = TestServer::start().await;
    let known = server.key().await;
    let other = server.account().await;
    let unknown = TestKey::unregistered(&other);
    let stranger = Signer::generate().unwrap();
    let now = server.now();
    let issuer = server.issuer();
    let mut answers = Vec::new();
    for key in [&known, &unknown] {
        let proof = |signer: &Signer, issuer: &str, account: &Account| {
            json!(signer.registration_proof(issuer, account.uid, now).unwrap())
        };
        let shifted = {
            let mut proof = proof(&key.signer, issuer, &other);
            proof["timestamp"] = json!(now.as_second() + 1);
            proof
        };
        for wrong in [
            proof(&stranger, issuer, &other),
            proof(&key.signer, issuer, &server.account().await),
            proof(&key.signer, "https://api.truemarkets.co/v1/auth", &other),
            json!({ "timestamp": now.as_second(), "signature": key.signer.sign("anything else").unwrap() }),
            shifted,
        ] {
            let body = json!({ "label": "bot", "public_key": key.signer.public_jwk(), "proof": wrong });
            let answer = register(&server, &other, body).await;
            answer.assert_invalid("invalid_proof", "proof");
            answers.push(answer.comparable());
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

/// The timestamp of the proof may differ from the server's clock by up to 300 seconds.
#[tokio::test]
async fn c07_a_proof_must_be_fresh() {
    let server = TestServer::start().await;
    let key = TestKey::unregistered(&server.account().await);
    for (age, accepted) in [(-301, false), (301, false), (-300, true)] {
        let at = server.now() + SignedDuration::from_secs(age);
        let body = key.registration(server.issuer(), at);
        let answer = register(&server, &key.account, body).await;
        if accepted {
            assert_eq!(answer.status, 201, "{answer:?}");
        } else {
            answer.assert_error(401, "timestamp_out_of_range");
            assert_eq!(answer.body["skew_ms"], age * 1000);
        }
    }
}
