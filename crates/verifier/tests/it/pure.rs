//! The pure functions: key sets, policies, explanations.

use serde_json::{Value, json};
use tm_auth_proto::{Audience, CompactJws, Environment, JwkSet};
use tm_auth_verifier::testing::{ISSUER, TestIssuer, TestKey};
use tm_auth_verifier::{
    Algorithm, Check, Clock, InvalidToken, KeySet, NotAKeySet, Outcome, Policy, SystemClock, check, explain,
};

use crate::support::{AUDIENCE, Fixture, encode};

fn usable(jwk: &Value) -> bool {
    let set = json!({ "keys": [jwk] }).to_string();
    !KeySet::from_json(set.as_bytes()).unwrap().is_empty()
}

fn with(jwk: &Value, member: &str, value: Value) -> Value {
    let mut jwk = jwk.clone();
    jwk[member] = value;
    jwk
}

#[test]
fn each_algorithm_signs_and_verifies_with_its_own_key() {
    for algorithm in Algorithm::ALL {
        let issuer = TestIssuer::with_algorithm(Environment::Uat, algorithm);
        let keys = issuer.key_set();
        let token = issuer.sign(&issuer.claims(AUDIENCE));
        let mut jws = CompactJws::parse(&token).unwrap();
        keys.verify_signature(&jws).unwrap();
        assert_eq!(
            (keys.len(), keys.is_empty(), keys.algorithm("test-1")),
            (1, false, Some(algorithm))
        );
        assert!(keys.contains("test-1") && !keys.contains("test-2"));
        assert_eq!(format!("{keys:?}"), format!("{{\"test-1\": {algorithm}}}"));
        jws.signature[0] ^= 1;
        assert_eq!(keys.verify_signature(&jws), Err(InvalidToken::BadSignature));
        let text = serde_json::to_vec(&issuer.jwks()).unwrap();
        assert!(KeySet::from_json(&text).unwrap().contains("test-1"));
    }
    let none = KeySet::from_jwks(&JwkSet::default());
    assert_eq!((none.len(), none.is_empty()), (0, true));
    let keys = ["a", "b"].map(|kid| TestKey::generate(kid, Algorithm::ES256).jwk());
    let two = KeySet::from_jwks(&JwkSet { keys: keys.to_vec() });
    assert_eq!((two.len(), two.is_empty()), (2, false));
}

#[test]
fn b07_keys_with_unsuitable_members_are_ignored() {
    for algorithm in Algorithm::ALL {
        let good = serde_json::to_value(TestKey::generate("k", algorithm).jwk()).unwrap();
        assert!(usable(&good));
        for alg in [
            "", "none", "HS256", "RS384", "PS256", "ES384", "ES256K", "RS256", "ES256", "EdDSA",
        ] {
            let fits = alg == algorithm.as_str();
            assert_eq!(usable(&with(&good, "alg", alg.into())), fits, "{algorithm} {alg}");
        }
        for (member, value) in [
            ("kid", json!("")),
            ("kid", json!(1)),
            ("kid", Value::Null),
            ("alg", Value::Null),
            ("use", json!("enc")),
            ("use", json!("SIG")),
            ("use", Value::Null),
            ("use", json!(["sig"])),
            ("kty", json!("oct")),
            ("kty", json!("")),
            ("crv", json!(1)),
        ] {
            assert!(
                !usable(&with(&good, member, value.clone())),
                "{algorithm} {member} {value}"
            );
        }
        for member in ["kty", "kid", "alg"] {
            let mut less = good.clone();
            less.as_object_mut().unwrap().remove(member);
            assert!(!usable(&less), "{algorithm} without {member}");
        }
        let mut unused = good.clone();
        unused.as_object_mut().unwrap().remove("use");
        assert!(usable(&unused));
        assert!(usable(&with(&unused, "key_ops", json!(["verify"]))));
        for other in [json!(["encrypt"]), json!([]), json!("verify"), Value::Null] {
            assert!(!usable(&with(&unused, "key_ops", other)));
        }
        let twice = good.to_string().replacen('{', r#"{"kid":"k","#, 1);
        let set = format!(r#"{{"keys":[{twice}]}}"#);
        assert!(KeySet::from_json(set.as_bytes()).unwrap().is_empty());
    }
}

#[test]
fn b07_keys_with_unsuitable_numbers_are_ignored() {
    let rsa = |n: &[u8], e: &[u8]| {
        let (n, e) = (encode(n), encode(e));
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "n": n, "e": e })
    };
    let odd = |first: u8, len: usize| {
        let mut n = vec![0xab; len];
        n[0] = first;
        n
    };
    let e = [1, 0, 1];
    for bytes in [256, 384, 512] {
        assert!(usable(&rsa(&odd(0x80, bytes), &e)), "{bytes}");
        assert!(
            !usable(&rsa(&odd(0x7f, bytes), &e)),
            "a bit less than {bytes} bytes"
        );
        assert!(
            !usable(&rsa(&odd(1, bytes + 1), &e)),
            "a bit more than {bytes} bytes"
        );
        assert!(
            !usable(&rsa(&odd(0, bytes), &e)),
            "a zero at the start of {bytes} bytes"
        );
        assert!(
            !usable(&rsa(&[&[0], &odd(0x80, bytes)[..]].concat(), &e)),
            "a zero before"
        );
    }
    for bytes in [0, 1, 64, 128, 192, 255, 257, 320, 513, 1024] {
        assert!(!usable(&rsa(&vec![0xab; bytes], &e)), "{bytes}");
    }
    for e in [
        &[][..],
        &[1],
        &[3],
        &[17],
        &[1, 0, 0],
        &[0, 1, 0, 1],
        &[1, 0, 0, 0, 1],
    ] {
        assert!(!usable(&rsa(&odd(0x80, 256), e)), "{e:?}");
    }

    let ec = serde_json::to_value(TestKey::generate("k", Algorithm::ES256).jwk()).unwrap();
    for (member, value) in [
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("x", json!(encode([0; 32]))),
        ("y", json!(encode([0; 32]))),
        ("x", json!(encode([1; 31]))),
        ("y", json!(encode([1; 33]))),
        ("x", json!("")),
        ("x", json!("=")),
        ("y", Value::Null),
        ("kty", json!("OKP")),
    ] {
        assert!(!usable(&with(&ec, member, value.clone())), "{member} {value}");
    }
    // Both lengths are wrong by one, but their sum is right.
    let (x, y) = (encode([1; 31]), encode([1; 33]));
    assert!(!usable(&with(&with(&ec, "x", x.into()), "y", y.into())));

    let okp = serde_json::to_value(TestKey::generate("k", Algorithm::EdDSA).jwk()).unwrap();
    for (member, value) in [
        ("crv", json!("X25519")),
        ("crv", json!("Ed448")),
        ("x", json!(encode([1; 31]))),
        ("x", json!(encode([1; 33]))),
        ("x", Value::Null),
        ("kty", json!("EC")),
    ] {
        assert!(!usable(&with(&okp, member, value.clone())), "{member} {value}");
    }
}

#[test]
fn b07_unknown_kinds_of_keys_are_ignored_and_other_documents_are_refused() {
    let good = TestKey::generate("k", Algorithm::ES256).jwk();
    let keys = json!([{ "kty": "oct", "k": "AA" }, 7, null, {}, good, { "kty": "AKP", "kid": "pq", "alg": "ML-DSA-44" }]);
    let set = json!({ "keys": keys, "extra": 1 }).to_string();
    let set = KeySet::from_json(format!("\n {set}").as_bytes()).unwrap();
    assert_eq!((set.len(), set.contains("k")), (1, true));
    for other in [
        "",
        "{}",
        "[]",
        "[[]]",
        "null",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[]"#,
        "<html>",
    ] {
        assert_eq!(
            KeySet::from_json(other.as_bytes()).unwrap_err(),
            NotAKeySet,
            "{other}"
        );
    }
}

#[test]
fn a11_a_sole_audience_must_be_the_only_one() {
    let issuer = TestIssuer::new(Environment::Uat);
    let (keys, now) = (issuer.key_set(), issuer.clock().now());
    let policy = Policy::new(ISSUER, ISSUER).sole_audience();
    assert_eq!(policy.issuer(), ISSUER);
    let audience = |aud: Audience| {
        let mut claims = issuer.claims(ISSUER);
        claims.aud = aud;
        check(&issuer.sign(&claims), &keys, &policy, now).err()
    };
    let many = |list: &[&str]| Audience::Many(list.iter().map(|&one| one.to_owned()).collect());
    assert_eq!(audience(Audience::One(ISSUER.to_owned())), None);
    assert_eq!(audience(many(&[ISSUER])), None);
    for other in [
        many(&[ISSUER, AUDIENCE]),
        many(&[]),
        Audience::One(AUDIENCE.to_owned()),
    ] {
        assert_eq!(audience(other), Some(InvalidToken::WrongAudience));
    }
}

#[test]
fn a_policy_without_environment_accepts_both() {
    for environment in [Environment::Production, Environment::Uat] {
        let issuer = TestIssuer::new(environment);
        let token = issuer.sign(&issuer.claims(AUDIENCE));
        let policy = Policy::new(ISSUER, AUDIENCE);
        let claims = check(&token, &issuer.key_set(), &policy, issuer.clock().now()).unwrap();
        assert_eq!(claims.env, environment);
    }
}

#[test]
fn the_claims_are_those_that_were_signed() {
    let issuer = TestIssuer::new(Environment::Uat);
    let mut claims = issuer.claims(AUDIENCE);
    claims.nbf = Some(claims.iat);
    claims.sub = "käse \"\u{1f9c0}\"@example.com".to_owned();
    let policy = Policy::new(ISSUER, AUDIENCE);
    let read = check(
        &issuer.sign(&claims),
        &issuer.key_set(),
        &policy,
        issuer.clock().now(),
    );
    assert_eq!(read.unwrap(), claims);
}

#[test]
fn explain_agrees_with_check() {
    let issuer = TestIssuer::new(Environment::Uat);
    let (keys, now) = (issuer.key_set(), issuer.clock().now());
    let policy = Policy::new(ISSUER, AUDIENCE).environment(Environment::Uat);
    let header = issuer.header("at+jwt");
    let payload = serde_json::to_vec(&issuer.claims(AUDIENCE)).unwrap();
    let with = |member: &str, value: &str| {
        let mut header = header.clone();
        header[member] = value.into();
        issuer.sign_raw(&header, &payload)
    };
    let good = issuer.sign(&issuer.claims(AUDIENCE));
    let mut broken = good.clone().into_bytes();
    *broken.iter_mut().rev().nth(20).unwrap() = b'A';
    let tokens = [
        "x".to_owned(),
        with("typ", "JWT"),
        with("alg", "none"),
        with("alg", "EdDSA"),
        with("kid", "other"),
        String::from_utf8(broken).unwrap(),
        issuer.sign_raw(&header, b"{}"),
    ];
    for token in tokens {
        let error = check(&token, &keys, &policy, now).unwrap_err();
        let results = explain(&token, &keys, &policy, now);
        assert_eq!(results.len(), 12);
        assert!(results.is_sorted_by_key(|result| result.check));
        for result in results {
            let expected = match result.check.cmp(&error.check()) {
                std::cmp::Ordering::Less => Outcome::Passed,
                std::cmp::Ordering::Equal => Outcome::Failed(error),
                std::cmp::Ordering::Greater => Outcome::NotReached,
            };
            assert_eq!(result.outcome, expected, "{} of {token:.60}", result.check);
        }
    }
    let results = explain(&good, &keys, &policy, now);
    assert!(results.iter().all(|result| result.outcome == Outcome::Passed) && results.len() == 12);

    // `explain` reports every wrong claim of a signed token; `check` reports the first.
    let mut claims = issuer.claims("https://other.test");
    claims.iss.push('/');
    claims.env = Environment::Production;
    claims.exp = 0;
    claims.iat += 100;
    claims.nbf = Some(claims.iat);
    let wrong = issuer.sign(&claims);
    assert_eq!(check(&wrong, &keys, &policy, now), Err(InvalidToken::WrongIssuer));
    let failed: Vec<(Check, InvalidToken)> = explain(&wrong, &keys, &policy, now)
        .into_iter()
        .filter_map(|result| match result.outcome {
            Outcome::Failed(error) => Some((result.check, error)),
            _ => None,
        })
        .collect();
    let expected = [
        InvalidToken::WrongIssuer,
        InvalidToken::WrongAudience,
        InvalidToken::WrongEnvironment,
        InvalidToken::Expired,
        InvalidToken::NotYetValid,
        InvalidToken::IssuedInFuture,
    ];
    assert_eq!(failed, expected.map(|error| (error.check(), error)));
}

#[tokio::test]
async fn the_last_check_of_a_verifiers_explanation_is_revocation() {
    let fixture = Fixture::new().await;
    let claims = fixture.claims();
    let token = fixture.issuer.sign(&claims);
    let last = |token: &str| {
        let results = fixture.verifier.explain(token).unwrap();
        assert_eq!(results.len(), 13);
        *results.last().unwrap()
    };
    assert_eq!(
        (last(&token).check, last(&token).outcome),
        (Check::Revocation, Outcome::Passed)
    );
    assert_eq!(last("x").outcome, Outcome::NotReached);
    fixture.issuer.revoke_session(claims.sid);
    fixture.verifier.refresh().await.unwrap();
    let revoked = InvalidToken::Revoked(tm_auth_verifier::Revoked::Session);
    assert_eq!(last(&token).outcome, Outcome::Failed(revoked));
    assert_eq!(revoked.check(), Check::Revocation);
}

#[test]
fn checks_have_distinct_names() {
    let checks = [
        Check::Form,
        Check::Type,
        Check::Algorithm,
        Check::Key,
        Check::Signature,
        Check::Claims,
        Check::Issuer,
        Check::Audience,
        Check::Environment,
        Check::Expiry,
        Check::NotBefore,
        Check::IssuedAt,
        Check::Revocation,
    ];
    let names: Vec<String> = checks.iter().map(ToString::to_string).collect();
    let expected = [
        "form",
        "type",
        "algorithm",
        "key",
        "signature",
        "claims",
        "issuer",
        "audience",
        "environment",
        "expiry",
        "not_before",
        "issued_at",
        "revocation",
    ];
    assert_eq!(names, expected);
}

/// The bound is a time before this test was written.
#[test]
fn the_system_clock_returns_the_time_of_day() {
    assert!(SystemClock.now().as_second() > 1_760_000_000);
}
