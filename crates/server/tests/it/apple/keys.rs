//! Changes of Apple's keys, and failures of its endpoints.

use serde_json::json;

use super::forger::{Forged, OTHER_RSA, RSA};
use super::{come_back, leave, signed_in};
use crate::support::Answer;

async fn signs_in(apple: &Forged, kid: &str) -> Answer {
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    let key = if kid == "k1" { &RSA } else { &OTHER_RSA };
    apple.gives(&key.sign(
        &json!({ "alg": "RS256", "kid": kid }),
        &apple.claims(departure.get("nonce")),
    ));
    let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
    assert_eq!(
        signed_in(&apple.server, &visitor).await.is_some(),
        answer.status == 303
    );
    answer
}

#[tokio::test]
async fn g22_an_unknown_kid_causes_at_most_one_fetch_per_minute() {
    let apple = Forged::start().await;
    assert_eq!(signs_in(&apple, "k1").await.status, 303);
    assert_eq!(signs_in(&apple, "k1").await.status, 303);
    assert_eq!(apple.keys_asked(), 1, "the keys are cached");
    apple.publishes(200, &[OTHER_RSA.jwk("k2")]);
    // Within the cool-down nothing causes a fetch.
    for _ in 0..3 {
        signs_in(&apple, "k2")
            .await
            .assert_invalid("apple_token_invalid", "code");
    }
    assert_eq!(apple.keys_asked(), 1);
    apple.server.advance(60);
    assert_eq!(signs_in(&apple, "k2").await.status, 303);
    assert_eq!(apple.keys_asked(), 2);
    // The new set does not have the key that Apple removed.
    signs_in(&apple, "k1")
        .await
        .assert_invalid("apple_token_invalid", "code");
    assert_eq!(apple.keys_asked(), 2);
}

#[tokio::test]
async fn g22_a_key_that_apple_removed_is_trusted_for_at_most_an_hour() {
    let apple = Forged::start().await;
    assert_eq!(signs_in(&apple, "k1").await.status, 303);
    apple.publishes(200, &[OTHER_RSA.jwk("k2")]);
    apple.server.advance(3599);
    assert_eq!(signs_in(&apple, "k1").await.status, 303);
    apple.server.advance(1);
    signs_in(&apple, "k1")
        .await
        .assert_invalid("apple_token_invalid", "code");
}

#[tokio::test]
async fn g22_a_login_fails_without_keys_and_cached_keys_last_a_day() {
    let apple = Forged::start().await;
    apple.publishes(500, &[]);
    signs_in(&apple, "k1")
        .await
        .assert_error(503, "apple_unavailable");
    apple.server.advance(60);
    apple.publishes(200, &[json!({ "kty": "oct", "kid": "k1", "k": "AAAA" })]);
    signs_in(&apple, "k1")
        .await
        .assert_error(503, "apple_unavailable");
    apple.server.advance(60);
    apple.publishes(200, &[RSA.jwk("k1")]);
    assert_eq!(signs_in(&apple, "k1").await.status, 303);
    apple.publishes(500, &[]);
    apple.server.advance(23 * 3600);
    assert_eq!(signs_in(&apple, "k1").await.status, 303);
    apple.server.advance(3600);
    signs_in(&apple, "k1")
        .await
        .assert_error(503, "apple_unavailable");
}

#[tokio::test]
async fn g22_an_error_of_the_token_endpoint_refuses_the_login() {
    let apple = Forged::start().await;
    for (status, body, code) in [
        (400, json!({ "error": "invalid_grant" }), "apple_token_invalid"),
        // An error about this client, not about the code.
        (400, json!({ "error": "invalid_client" }), "apple_unavailable"),
        (500, json!({}), "apple_unavailable"),
        (302, json!({}), "apple_unavailable"),
        (200, json!({ "access_token": "only" }), "apple_unavailable"),
    ] {
        let mut visitor = apple.server.visitor();
        let departure = leave(&mut visitor).await;
        apple.answers(status, body.clone());
        let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
        assert_eq!(answer.code(), code, "{body}");
        assert!(visitor.sid().is_none());
    }
    // The request had this code, the verifier of this flow's challenge, and a fresh client secret.
    let forms = apple.forms();
    let (first, last) = (&forms[0], &forms[forms.len() - 1]);
    assert_eq!(
        (first["grant_type"].as_str(), first["code"].as_str()),
        ("authorization_code", "c")
    );
    assert!(first["redirect_uri"].ends_with("/apple/callback"));
    assert_ne!(first["code_verifier"], last["code_verifier"]);
    let claims = crate::support::jwt::payload(&first["client_secret"]);
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!(super::TEAM_ID), &json!(super::CLIENT_ID))
    );
    assert_eq!(claims["aud"], json!(apple.issuer));
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        300
    );
    assert_eq!(
        crate::support::jwt::header(&first["client_secret"]),
        json!({ "alg": "ES256", "kid": super::KEY_ID, "typ": "JWT" })
    );
}
