//! G22: ID tokens with one fault each. The service refuses every one of them.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::forger::{Forged, Key, NOW, OTHER_RSA, RSA, input};
use super::{account_with, come_back, leave, signed_in};
use crate::support::Answer;

/// Logs in with the token that `make` builds from valid claims.
async fn presents(apple: &Forged, make: impl FnOnce(Value) -> String) -> Answer {
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    apple.gives(&make(apple.claims(departure.get("nonce"))));
    let answer = come_back(
        &mut visitor,
        &[("code", "the-code"), ("state", departure.get("state"))],
    )
    .await;
    assert_eq!(
        signed_in(&apple.server, &visitor).await.is_some(),
        answer.status == 303,
        "{answer:?}"
    );
    answer
}

async fn is_refused(apple: &Forged, what: &str, make: impl FnOnce(Value) -> String) {
    let answer = presents(apple, make).await;
    assert_eq!(answer.code(), "apple_token_invalid", "{what}: {answer:?}");
    answer.assert_invalid("apple_token_invalid", "code");
    assert!(apple.server.store.accounts().await.unwrap().is_empty(), "{what}");
}

fn header() -> Value {
    json!({ "alg": "RS256", "kid": "k1" })
}

#[tokio::test]
async fn g22_a_token_that_apple_did_not_sign_is_refused() {
    let apple = Forged::start().await;
    let stranger = Key::p256();
    let listed = Key::p256();
    let mut unbound = Key::p256().jwk("no-alg");
    unbound.as_object_mut().unwrap().remove("alg");
    apple.publishes(
        200,
        &[RSA.jwk("k1"), OTHER_RSA.jwk("k2"), listed.jwk("k3"), unbound],
    );

    is_refused(&apple, "alg none", |claims| {
        format!("{}.", input(&json!({ "alg": "none", "kid": "k1" }), &claims))
    })
    .await;
    is_refused(&apple, "no signature", |claims| {
        format!("{}.", input(&header(), &claims))
    })
    .await;
    for secret in [
        RSA.jwk("k1")["n"].as_str().unwrap().to_owned(),
        RSA.jwk("k1").to_string(),
        String::new(),
    ] {
        is_refused(&apple, "HS256 under the public key", |claims| {
            let input = input(&json!({ "alg": "HS256", "kid": "k1" }), &claims);
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let mac = hmac::sign(&key, input.as_bytes());
            format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac))
        })
        .await;
    }
    is_refused(&apple, "another key under this kid", |claims| {
        OTHER_RSA.sign(&header(), &claims)
    })
    .await;
    is_refused(&apple, "another kid than the key's", |claims| {
        RSA.sign(&json!({ "alg": "RS256", "kid": "k2" }), &claims)
    })
    .await;
    is_refused(&apple, "an unknown kid", |claims| {
        RSA.sign(&json!({ "alg": "RS256", "kid": "k9" }), &claims)
    })
    .await;
    is_refused(&apple, "no kid", |claims| {
        RSA.sign(&json!({ "alg": "RS256" }), &claims)
    })
    .await;
    is_refused(&apple, "a key embedded in the token", |claims| {
        let header = json!({ "alg": "ES256", "kid": "mine", "jwk": stranger.jwk("mine"), "jku": "https://evil.test/keys" });
        stranger.sign(&header, &claims)
    })
    .await;
    is_refused(&apple, "an embedded key under a known kid", |claims| {
        stranger.sign(
            &json!({ "alg": "ES256", "kid": "k1", "jwk": stranger.jwk("k1") }),
            &claims,
        )
    })
    .await;
    is_refused(&apple, "ES256 under an RSA key", |claims| {
        stranger.sign(&json!({ "alg": "ES256", "kid": "k1" }), &claims)
    })
    .await;
    is_refused(&apple, "RS256 under a P-256 key", |claims| {
        RSA.sign(&json!({ "alg": "RS256", "kid": "k3" }), &claims)
    })
    .await;
    is_refused(&apple, "a key that is bound to no algorithm", |claims| {
        listed.sign(&json!({ "alg": "ES256", "kid": "no-alg" }), &claims)
    })
    .await;
    is_refused(&apple, "an extension", |claims| {
        RSA.sign(
            &json!({ "alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": false }),
            &claims,
        )
    })
    .await;
    is_refused(&apple, "claims changed after signing", |claims| {
        let good = Forged::signed(&claims);
        let mut other = claims;
        other["sub"] = "another user".into();
        crate::support::jwt::with_payload(&good, &other)
    })
    .await;
    is_refused(&apple, "no token", |_| "nonsense".to_owned()).await;

    // Tokens that Apple signed are accepted, with each algorithm that its keys name.
    assert_eq!(
        presents(&apple, |claims| RSA.sign(&header(), &claims))
            .await
            .status,
        303
    );
    let with_p256 = presents(&apple, |claims| {
        listed.sign(&json!({ "alg": "ES256", "kid": "k3" }), &claims)
    })
    .await;
    assert_eq!(with_p256.status, 303);
}

#[tokio::test]
async fn g22_a_token_for_another_recipient_time_or_flow_is_refused() {
    let apple = Forged::start().await;
    for (what, claim, value) in [
        ("another issuer", "iss", json!("https://appleid.apple.com")),
        ("another app of the team", "aud", json!("co.truemarkets.app")),
        (
            "several audiences",
            "aud",
            json!(["co.truemarkets.auth", "co.truemarkets.app"]),
        ),
        ("no audience", "aud", Value::Null),
        ("another authorized party", "azp", json!("co.truemarkets.app")),
        ("expired", "exp", json!(NOW - 10)),
        ("no expiry", "exp", Value::Null),
        ("issued in the future", "iat", json!(NOW + 60)),
        ("issued long ago", "iat", json!(NOW - 3600)),
        ("another nonce", "nonce", json!("another")),
        ("no nonce", "nonce", Value::Null),
        ("an empty subject", "sub", json!("")),
        ("for another code", "c_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
        (
            "for another access token",
            "at_hash",
            json!("AAAAAAAAAAAAAAAAAAAAAA"),
        ),
    ] {
        is_refused(&apple, what, |mut claims| {
            claims[claim] = value;
            Forged::signed(&claims)
        })
        .await;
    }
    is_refused(&apple, "no nonce on a device without support", |mut claims| {
        claims.as_object_mut().unwrap().remove("nonce");
        claims["nonce_supported"] = false.into();
        Forged::signed(&claims)
    })
    .await;
    assert_eq!(
        presents(&apple, |claims| Forged::signed(&claims)).await.status,
        303
    );
}

#[tokio::test]
async fn g22_a_token_is_accepted_once() {
    let apple = Forged::start().await;
    let mut visitor = apple.server.visitor();
    let departure = leave(&mut visitor).await;
    let token = Forged::signed(&apple.claims(departure.get("nonce")));
    apple.gives(&token);
    let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
    assert_eq!(answer.status, 303);
    // A thief presents it in a flow of their own, which has another nonce.
    let mut thief = apple.server.visitor();
    let departure = leave(&mut thief).await;
    let answer = come_back(&mut thief, &[("code", "c"), ("state", departure.get("state"))]).await;
    answer.assert_invalid("apple_token_invalid", "code");
    assert!(thief.sid().is_none());
    assert_eq!(apple.server.store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn g22_a_forged_token_links_nothing() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let owner = account_with(server, "owner@example.com").await;
    let mut visitor = server
        .signed_in(&owner, tm_auth_core::user::AuthMethod::Passkey)
        .await;
    let departure = super::Departure::of(&visitor.submit("/apple/link", &[]).await);
    let mut claims = apple.claims(departure.get("nonce"));
    claims["aud"] = "co.truemarkets.app".into();
    apple.gives(&Forged::signed(&claims));
    let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
    answer.assert_invalid("apple_token_invalid", "code");
    assert_eq!(server.store.apple_identity_of(owner.uid).await.unwrap(), None);
    let trail = super::trail(server, &owner).await;
    assert_eq!(
        trail.last().map(String::as_str),
        Some("sign_in_refused"),
        "{trail:?}"
    );
}

#[tokio::test]
async fn g24_email_verified_is_true_or_the_text_true() {
    let apple = Forged::start().await;
    let all = [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (Value::Null, false),
        (json!("TRUE"), false),
        (json!("yes"), false),
        (json!(1), false),
    ];
    for (index, (verified, counts)) in all.into_iter().enumerate() {
        let mut visitor = apple.server.visitor();
        let departure = leave(&mut visitor).await;
        let mut claims = apple.claims(departure.get("nonce"));
        claims["sub"] = format!("001.{index}").into();
        claims["email"] = format!("p{index}@example.com").into();
        claims["email_verified"] = verified.clone();
        if verified.is_null() {
            claims.as_object_mut().unwrap().remove("email_verified");
        }
        apple.gives(&Forged::signed(&claims));
        let answer = come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
        assert_eq!(answer.status, 303, "{verified}: {answer:?}");
        let account = signed_in(&apple.server, &visitor).await.unwrap();
        let contact = apple.server.store.contact_email(account.uid).await.unwrap();
        assert_eq!(contact.is_some(), counts, "{verified}");
        assert_eq!(account.email, None);
    }
}
