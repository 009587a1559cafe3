use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tm_auth_proto::claims::ACCESS_TOKEN_TYP;
use tm_auth_proto::{KeyId, compact};

use super::*;
use crate::rotation::{Decision, TokenFamily, decide};
use crate::sample::{HERE, ISSUER, LIFETIMES, NOW, at};
use crate::session::Session;
use crate::signing::{Algorithm, SigningKey};

const MAC: [u8; 32] = [0x3c; 32];

fn mac() -> MacKey {
    MacKey::new("uat-mac-1".into(), &MAC).unwrap()
}

fn secret() -> SessionSecret {
    SessionSecret::new([0x11; 16])
}

fn session() -> Session {
    Session {
        sid: SessionId(uuid::Uuid::from_u128(0x51d)),
        key_id: KeyId::generate(HERE, [0x5a; 16]),
        secret_hash: secret().hash(),
        family: TokenFamily {
            current: 4,
            parent: Some(3),
            rotated_at: at(0),
            reissue_count: 0,
            burst_oldest: 0,
            burst_began_at: Timestamp::UNIX_EPOCH,
        },
        mac_kid: "uat-mac-1".into(),
        opened_at: at(-100),
        expires_at: at(0) + LIFETIMES.absolute,
        ended: None,
    }
}

fn issued(session: &Session) -> String {
    issue(
        session.sid,
        &session.family,
        session.idle_expires_at(&LIFETIMES),
        &secret(),
        ISSUER,
        HERE,
        &mac(),
    )
}

fn presented(token: &str) -> Result<VerifiedRefreshToken, Refusal> {
    Unverified::parse(token)?.verify(&mac(), ISSUER, HERE)
}

fn refused(token: &str) {
    assert_eq!(presented(token).map(|_| token), Err(Refusal::InvalidRefreshToken));
}

/// Claims of an issued token with one member replaced, or removed if `value` is `null`.
fn claims_with(member: &str, value: Value) -> Vec<u8> {
    let token = issued(&session());
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let mut claims: serde_json::Map<String, Value> = serde_json::from_slice(&payload).unwrap();
    if value.is_null() {
        claims.remove(member).unwrap();
    } else {
        claims.insert(member.into(), value).unwrap();
    }
    serde_json::to_vec(&claims).unwrap()
}

/// A token with changed claims and a valid MAC.
fn forged_with(member: &str, value: Value) -> String {
    mac().sign_jws(REFRESH_TOKEN_TYP, &claims_with(member, value))
}

#[test]
fn e01_a_token_has_the_sessions_id_counter_and_secret() {
    let token = issued(&session());
    let unverified = Unverified::parse(&token).unwrap();
    assert_eq!(unverified.kid(), Some("uat-mac-1"));
    let presented = unverified.verify(&mac(), ISSUER, HERE).unwrap();
    assert_eq!((presented.sid, presented.counter), (session().sid, 4));
    assert!(session().secret_hash.matches(&presented.secret));
}

#[test]
fn e01_header_and_claims_are_derived_from_the_row() {
    let token = issued(&session());
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let header: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&parts.next().unwrap()).unwrap();
    assert_eq!(
        header,
        json!({ "alg": "HS256", "kid": "uat-mac-1", "typ": "rt+jwt" })
    );
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": ISSUER, "env": "uat", "sid": session().sid, "n": 4,
            "sec": URL_SAFE_NO_PAD.encode([0x11; 16]), "iat": NOW, "exp": NOW + 30 * 86_400,
        })
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &MAC);
    let input = token.rsplit_once('.').unwrap().0;
    hmac::verify(&key, input.as_bytes(), &parts.next().unwrap()).unwrap();
}

#[test]
fn e03_the_same_row_gives_the_same_token_byte_for_byte() {
    let token = issued(&session());
    assert_eq!(token, issued(&session().clone()));
    // A repeat writes nothing, so the token is the same.
    let session = session();
    let repeated = decide(
        &session.family,
        3,
        at(0) + LIFETIMES.reuse_grace,
        LIFETIMES.reuse_grace,
    );
    assert_eq!(repeated, Decision::Repeat);
    assert_eq!(token, issued(&session));
    // A rotation gives a different token, even within the same second.
    let Decision::Rotate { next, .. } = decide(&session.family, 4, at(0), LIFETIMES.reuse_grace) else {
        panic!("the newest token rotates")
    };
    assert_ne!(
        token,
        issued(&Session {
            family: next,
            ..session.clone()
        })
    );
}

#[test]
fn e12_a_token_with_one_flipped_bit_is_refused() {
    let token = issued(&session());
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            refused(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

#[test]
fn e12_truncated_and_extended_tokens_are_refused() {
    let token = issued(&session());
    for end in 0..token.len() {
        refused(&token[..end]);
    }
    for bad in [
        format!("{token}A"),
        format!("{token}."),
        format!("{token}="),
        format!(" {token}"),
    ] {
        refused(&bad);
    }
}

#[test]
fn e12_changed_claims_with_the_old_mac_are_refused() {
    let token = issued(&session());
    let (input, tag) = token.rsplit_once('.').unwrap();
    let header = input.split_once('.').unwrap().0;
    for payload in [
        claims_with("n", json!(5)),
        claims_with("sid", json!(uuid::Uuid::from_u128(1))),
        claims_with("sec", json!(URL_SAFE_NO_PAD.encode([0x22; 16]))),
    ] {
        refused(&format!("{header}.{}.{tag}", URL_SAFE_NO_PAD.encode(payload)));
    }
}

#[test]
fn e12_the_mac_of_another_key_or_another_token_is_refused() {
    let other_bytes = MacKey::new("uat-mac-1".into(), &[0x3d; 32]).unwrap();
    let other_name = MacKey::new("uat-mac-2".into(), &MAC).unwrap();
    for key in [other_bytes, other_name] {
        let session = session();
        let (family, end) = (&session.family, session.idle_expires_at(&LIFETIMES));
        refused(&issue(session.sid, family, end, &secret(), ISSUER, HERE, &key));
    }
    let mine = issued(&session());
    let theirs = issued(&Session {
        sid: SessionId(uuid::Uuid::from_u128(2)),
        ..session()
    });
    let input = mine.rsplit_once('.').unwrap().0;
    let tag = theirs.rsplit_once('.').unwrap().1;
    refused(&format!("{input}.{tag}"));
    refused(&format!("{input}."));
    let full = URL_SAFE_NO_PAD.decode(mine.rsplit_once('.').unwrap().1).unwrap();
    refused(&format!("{input}.{}", URL_SAFE_NO_PAD.encode(&full[..31])));
}

#[test]
fn e12_the_secret_of_another_session_does_not_match_the_row() {
    let token = forged_with("sec", json!(URL_SAFE_NO_PAD.encode([0x22; 16])));
    let presented = presented(&token).unwrap();
    assert!(!session().secret_hash.matches(&presented.secret));
}

#[test]
fn e12_a_token_of_the_other_environment_or_issuer_is_refused() {
    assert_eq!(
        presented(&forged_with("env", json!("production"))).unwrap_err(),
        Refusal::WrongEnvironment {
            here: HERE,
            theirs: Environment::Production
        }
    );
    for issuer in [
        "https://api.truemarkets.co/v1/auth",
        &format!("{ISSUER}/"),
        &ISSUER.to_uppercase(),
        "",
    ] {
        refused(&forged_with("iss", json!(issuer)));
        refused(&forged_with("aud", json!(issuer)));
    }
}

#[test]
fn e12_missing_mistyped_and_duplicate_claims_are_refused() {
    for member in ["iss", "aud", "env", "sid", "n", "sec", "iat", "exp"] {
        refused(&forged_with(member, Value::Null));
    }
    for (member, value) in [
        ("n", json!("4")),
        ("n", json!(4.5)),
        ("sid", json!("x")),
        ("sec", json!("")),
        ("sec", json!("~")),
        ("sec", json!(URL_SAFE_NO_PAD.encode([1; 15]))),
        ("sec", json!(URL_SAFE_NO_PAD.encode([1; 17]))),
        ("env", json!("staging")),
        ("aud", json!([ISSUER])),
    ] {
        refused(&forged_with(member, value));
    }
    refused(&mac().sign_jws(REFRESH_TOKEN_TYP, b"not json"));
    let duplicate = String::from_utf8(claims_with("n", json!(4)))
        .unwrap()
        .replacen('{', r#"{"n":9,"#, 1);
    refused(&mac().sign_jws(REFRESH_TOKEN_TYP, duplicate.as_bytes()));
}

#[test]
fn a10_an_access_token_is_refused_as_a_refresh_token() {
    let claims = claims_with("n", json!(4));
    let signing = SigningKey::generate(Algorithm::ES256, HERE).unwrap();
    refused(&signing.sign_jws(ACCESS_TOKEN_TYP, &claims));
    refused(&signing.sign_jws(REFRESH_TOKEN_TYP, &claims));
}

#[test]
fn a01_e12_only_one_algorithm_and_type_are_accepted() {
    let claims = claims_with("n", json!(4));
    for typ in ["at+jwt", "JWT", "RT+JWT", "rt+jwt ", "revocations+jwt", ""] {
        refused(&mac().sign_jws(typ, &claims));
    }
    // The MAC is valid each time, so that only the header can be the reason for the refusal.
    let key = hmac::Key::new(hmac::HMAC_SHA256, &MAC);
    let with_header = |header: Value| {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(&claims));
        let tag = hmac::sign(&key, input.as_bytes());
        compact::finish(input, tag.as_ref())
    };
    let good = json!({ "alg": "HS256", "kid": "uat-mac-1", "typ": "rt+jwt" });
    assert!(presented(&with_header(good.clone())).is_ok());
    for alg in ["none", "None", "nOnE", "hs256", "HS384", "HS512", "ES256", ""] {
        let mut header = good.clone();
        header["alg"] = json!(alg);
        refused(&with_header(header.clone()));
        let unsigned = with_header(header);
        refused(&format!("{}.", unsigned.rsplit_once('.').unwrap().0));
    }
    for member in ["alg", "kid", "typ"] {
        let mut header = good.clone();
        header.as_object_mut().unwrap().remove(member).unwrap();
        refused(&with_header(header));
    }
}

#[test]
fn e13_the_database_does_not_contain_enough_to_forge_a_token() {
    let session = session();
    // Even with the row and the MAC key: parts of the hash do not match as the secret.
    for guess in [&session.secret_hash.0[..16], &session.secret_hash.0[16..]] {
        let token = forged_with("sec", json!(URL_SAFE_NO_PAD.encode(guess)));
        assert!(!session.secret_hash.matches(&presented(&token).unwrap().secret));
    }
    refused(&forged_with(
        "sec",
        json!(URL_SAFE_NO_PAD.encode(session.secret_hash.0)),
    ));
    let row = format!("{session:?}");
    assert!(!row.contains(&secret().encode()) && !row.contains("17, 17, 17, 17"));
    let seen = format!("{:?}", presented(&issued(&session)).unwrap());
    assert!(seen.contains("Secret { .. }") && !seen.contains("17, 17, 17, 17"));
}

#[test]
fn e09_a_token_expires_when_its_session_is_idle_or_expires() {
    let end = |session: &Session| {
        let token = issued(session);
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()["exp"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(end(&session()), NOW + 30 * 86_400);
    let expires_at = at(0) + SignedDuration::from_mins(1);
    assert_eq!(
        end(&Session {
            expires_at,
            ..session()
        }),
        NOW + 60
    );
}
