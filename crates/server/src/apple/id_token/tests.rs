use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

fn expected() -> Expected<'static> {
    Expected {
        issuer: "https://apple.test",
        client_id: "co.truemarkets.auth",
        nonce: "the-nonce",
        code: "the-code",
        access_token: Some("the-token"),
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://apple.test", "aud": "co.truemarkets.auth", "sub": "001.abc.002", "nonce": "the-nonce",
        "iat": NOW - 1, "exp": NOW + 600, "email": "Ada@Example.com", "email_verified": "true",
    })
}

fn with(changes: Value) -> Result<AppleSubject, Failure> {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        // `null` takes the claim away.
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    check(
        claims.to_string().as_bytes(),
        &expected(),
        Timestamp::from_second(NOW).unwrap(),
    )
}

fn hash(of: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, of.as_bytes()).as_ref()[..16])
}

#[test]
fn g22_a_token_for_this_flow_tells_who_it_is() {
    let subject = with(json!({})).unwrap();
    assert_eq!(
        (subject.iss.as_str(), subject.sub.as_str()),
        ("https://apple.test", "001.abc.002")
    );
    assert_eq!(
        subject.email.as_ref().map(EmailAddress::as_str),
        Some("ada@example.com")
    );
    assert!(!subject.private_relay);
    assert!(
        with(
            json!({ "c_hash": hash("the-code"), "at_hash": hash("the-token"), "azp": "co.truemarkets.auth" })
        )
        .is_ok()
    );
}

#[test]
fn g22_a_token_that_is_bent_in_any_claim_is_refused() {
    for bent in [
        json!({ "iss": null }),
        json!({ "iss": "https://apple.test/" }),
        json!({ "iss": "https://appleid.apple.com" }),
        json!({ "aud": null }),
        json!({ "aud": "co.truemarkets.app" }),
        json!({ "aud": ["co.truemarkets.auth"] }),
        json!({ "aud": ["co.truemarkets.auth", "co.truemarkets.app"] }),
        json!({ "azp": "co.truemarkets.app" }),
        json!({ "azp": 1 }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": "a b" }),
        json!({ "sub": "s".repeat(256) }),
        json!({ "nonce": null }),
        json!({ "nonce": "another" }),
        json!({ "nonce": "another", "nonce_supported": false }),
        json!({ "nonce": null, "nonce_supported": false }),
        json!({ "exp": null }),
        json!({ "exp": NOW - 10 }),
        json!({ "exp": "1900000000" }),
        json!({ "iat": null }),
        json!({ "iat": NOW + 11 }),
        json!({ "iat": NOW - 601 }),
        json!({ "c_hash": hash("another-code") }),
        json!({ "c_hash": 1 }),
        json!({ "at_hash": hash("another-token") }),
        json!({ "at_hash": "" }),
    ] {
        assert!(matches!(with(bent.clone()), Err(Failure::Refused(_))), "{bent}");
    }
    let now = Timestamp::from_second(NOW).unwrap();
    for payload in [
        "",
        "[]",
        "null",
        r#"{"iss":"https://apple.test","iss":"https://apple.test"}"#,
    ] {
        assert!(check(payload.as_bytes(), &expected(), now).is_err(), "{payload}");
    }
    let without = Expected {
        access_token: None,
        ..expected()
    };
    let mut hashed = claims();
    hashed["at_hash"] = json!(hash("the-token"));
    assert!(
        check(hashed.to_string().as_bytes(), &without, now).is_err(),
        "a hash of nothing"
    );
}

#[test]
fn g22_clocks_may_differ_by_ten_seconds() {
    assert!(with(json!({ "exp": NOW - 9 })).is_ok());
    assert!(with(json!({ "iat": NOW + 10 })).is_ok());
    assert!(with(json!({ "iat": NOW - 600 })).is_ok());
}

#[test]
fn g24_an_address_is_verified_by_true_or_the_word_true_alone() {
    let email = |verified: Value| with(json!({ "email_verified": verified })).unwrap().email;
    for yes in [json!(true), json!("true")] {
        assert_eq!(
            email(yes).as_ref().map(EmailAddress::as_str),
            Some("ada@example.com")
        );
    }
    let others = [
        json!(false),
        json!("false"),
        json!(null),
        json!("TRUE"),
        json!("1"),
        json!(1),
        json!(["true"]),
    ];
    for no in others {
        assert_eq!(email(no.clone()), None, "{no}");
    }
    assert_eq!(with(json!({ "email": null })).unwrap().email, None);
    assert_eq!(with(json!({ "email": "no address" })).unwrap().email, None);
}

#[test]
fn g24_a_relays_address_is_kept_as_it_is() {
    let relay = "dpdcnf87nu@privaterelay.appleid.com";
    for private in [json!("true"), json!(true), json!(null), json!("false")] {
        let subject = with(json!({ "email": relay, "is_private_email": private })).unwrap();
        assert_eq!(
            (
                subject.email.as_ref().map(EmailAddress::as_str),
                subject.private_relay
            ),
            (Some(relay), true)
        );
    }
    assert!(with(json!({ "is_private_email": "true" })).unwrap().private_relay);
    assert!(
        !with(json!({ "is_private_email": "false" }))
            .unwrap()
            .private_relay
    );
    let unverified = json!({ "is_private_email": true, "email_verified": false });
    assert!(!with(unverified).unwrap().private_relay, "there is no address");
}
