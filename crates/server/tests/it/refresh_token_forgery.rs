//! Forged and tampered refresh tokens.

use serde_json::{Value, json};
use tm_auth_core::signing::MacKey;
use tm_auth_proto::claims::REFRESH_TOKEN_TYP;

use crate::support::{TestServer, jwt, rows};
use tm_auth_store::AuditAction;

/// A server and the newest refresh tokens of two sessions.
async fn two_sessions() -> (TestServer, [String; 2]) {
    let server = TestServer::start_with(|config| {
        config.limits.failures_per_network_per_minute = 600_000;
    })
    .await;
    let key = server.key().await;
    let tokens = [
        server.mint(&key).await.refresh_token,
        server.mint(&key).await.refresh_token,
    ];
    (server, tokens)
}

fn edited(token: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut claims = jwt::payload(token);
    edit(&mut claims);
    claims
}

#[tokio::test]
async fn e12_a_tampered_token_is_refused_without_a_database_read() {
    let (server, [a, b]) = two_sessions().await;
    let faults = server.store.faults();
    let (a_input, a_mac) = a.rsplit_once('.').unwrap();
    let (_, b_mac) = b.rsplit_once('.').unwrap();
    let counter = |n: i64| jwt::with_payload(&a, &edited(&a, |claims| claims["n"] = n.into()));
    let secret_of_b = edited(&a, |claims| claims["sec"] = jwt::payload(&b)["sec"].clone());
    let mut forged = vec![
        format!("{a_input}.{b_mac}"),
        format!("{a_input}."),
        a_input.to_owned(),
        format!("{a}A"),
        format!("{a_mac}.{a_input}"),
        counter(1),
        counter(-1),
        counter(i64::MAX),
        jwt::with_payload(&a, &secret_of_b),
        jwt::with_payload(&a, &edited(&a, |claims| claims["exp"] = json!(i64::MAX))),
    ];
    forged.extend((0..a.len()).step_by(7).map(|length| a[..length].to_owned()));
    forged.extend((0..a.len()).step_by(5).map(|at| {
        let mut bytes = a.clone().into_bytes();
        bytes[at] ^= 1;
        String::from_utf8(bytes).unwrap()
    }));

    let before = (faults.calls("rotate_session"), faults.calls("api_key"));
    for token in forged {
        let answer = server.refresh(&token).await;
        answer.assert_error(401, "invalid_refresh_token");
    }
    assert_eq!((faults.calls("rotate_session"), faults.calls("api_key")), before);
    // Both sessions are unaffected.
    for token in [a, b] {
        server.refresh(&token).await.refresh_token();
    }
}

#[tokio::test]
async fn e12_the_mac_key_alone_cannot_forge_a_token() {
    let (server, [a, b]) = two_sessions().await;
    let ring = server.signing_keys().ring().await.unwrap();
    let sign = |typ: &str, claims: &Value| ring.mac().sign_jws(typ, claims.to_string().as_bytes());
    let good = jwt::payload(&a);
    let signed = |edit: &dyn Fn(&mut Value)| sign(REFRESH_TOKEN_TYP, &edited(&a, |claims| edit(claims)));
    let missing = |name: &str| {
        signed(&|claims| {
            claims.as_object_mut().unwrap().remove(name);
        })
    };
    let forged = [
        signed(&|claims| claims["sec"] = jwt::payload(&b)["sec"].clone()),
        signed(&|claims| claims["sec"] = "AAAAAAAAAAAAAAAAAAAAAA".into()),
        signed(&|claims| claims["sec"] = "".into()),
        signed(&|claims| claims["sec"] = good["sid"].clone()),
        signed(&|claims| claims["iss"] = format!("{}/", server.issuer()).into()),
        signed(&|claims| claims["aud"] = server.config.audience().into()),
        signed(&|claims| claims["n"] = "0".into()),
        missing("sec"),
        missing("sid"),
        missing("env"),
        missing("n"),
        sign("at+jwt", &good),
        sign("JWT", &good),
        sign("revocations+jwt", &good),
    ];
    for token in forged {
        let answer = server.refresh(&token).await;
        answer.assert_error(401, "invalid_refresh_token");
        assert_eq!(answer.body["recover"], "api_key");
    }
    // A valid secret for a session that does not exist.
    let nowhere = signed(&|claims| claims["sid"] = json!(uuid::Uuid::nil()));
    server
        .refresh(&nowhere)
        .await
        .assert_error(401, "session_expired");
    // Valid claims and `kid`, but a MAC key that the service does not have.
    let other = MacKey::new(ring.mac().kid().to_owned(), &[7; 32]).unwrap();
    let token = other.sign_jws(REFRESH_TOKEN_TYP, good.to_string().as_bytes());
    server
        .refresh(&token)
        .await
        .assert_error(401, "invalid_refresh_token");
    assert_eq!(server.refresh(&a).await.status, 200);
}

#[tokio::test]
async fn e12_a_token_of_another_environment_gets_an_error_that_names_it() {
    let (server, [a, _]) = two_sessions().await;
    let faults = server.store.faults();
    let ring = server.signing_keys().ring().await.unwrap();
    let production = edited(&a, |claims| claims["env"] = "production".into()).to_string();
    let by_claim = ring.mac().sign_jws(REFRESH_TOKEN_TYP, production.as_bytes());
    let kid = MacKey::kid_of(&[7; 32], tm_auth_proto::Environment::Production);
    let theirs = MacKey::new(kid, &[7; 32]).unwrap();
    let by_kid = theirs.sign_jws(REFRESH_TOKEN_TYP, production.as_bytes());
    let before = (faults.calls("rotate_session"), faults.calls("signing_keys"));
    for token in [by_claim, by_kid] {
        let answer = server.refresh(&token).await;
        answer.assert_error(401, "wrong_environment");
        let production = "https://api.truemarkets.co/v1/auth";
        assert!(answer.text.contains(production), "{answer:?}");
    }
    let after = (faults.calls("rotate_session"), faults.calls("signing_keys"));
    assert_eq!(after, before);
}

#[tokio::test]
async fn e12_unknown_key_ids_cost_at_most_one_read_a_second() {
    let (server, [a, _]) = two_sessions().await;
    let faults = server.store.faults();
    let claims = jwt::payload(&a).to_string();
    let before = faults.calls("signing_keys");
    for byte in 0..100 {
        let kid = MacKey::kid_of(&[byte; 32], server.config.environment);
        let unknown = MacKey::new(kid, &[byte; 32]).unwrap();
        let token = unknown.sign_jws(REFRESH_TOKEN_TYP, claims.as_bytes());
        server
            .refresh(&token)
            .await
            .assert_error(401, "invalid_refresh_token");
    }
    assert_eq!(faults.calls("signing_keys"), before + 1);
    assert_eq!(faults.calls("rotate_session"), 0);
}

#[tokio::test]
async fn e12_a_counter_ahead_of_the_database_is_accepted_and_audited() {
    let (server, [a, _]) = two_sessions().await;
    let ring = server.signing_keys().ring().await.unwrap();
    let future = edited(&a, |claims| claims["n"] = 41.into()).to_string();
    let future = ring.mac().sign_jws(REFRESH_TOKEN_TYP, future.as_bytes());
    let next = server.refresh(&future).await.refresh_token();
    assert_eq!(jwt::payload(&next)["n"], 42);
    let trail = server.store.audit_trail(None, 1).await.unwrap();
    assert_eq!(trail[0].action, AuditAction::SessionFastForwarded);
    assert_eq!(json!(trail[0].sid), jwt::payload(&a)["sid"]);
    let row = rows(&server, "SELECT max(current), max(parent) FROM sessions");
    assert_eq!(row, [[42.into(), 41.into()]]);
    // The generation that the database had before is old now.
    server.advance(91);
    server.refresh(&a).await.assert_error(401, "refresh_reused");
}
