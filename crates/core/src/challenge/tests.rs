use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const TOLERANCE: SignedDuration = SignedDuration::from_secs(30);
const NOW: i64 = 1_800_000_000;

fn key_id() -> KeyId {
    KeyId::generate(Environment::Uat, [0x5a; 16])
}

fn request(timestamp: i64) -> ApiKeyTokenRequest {
    ApiKeyTokenRequest {
        key_id: key_id().to_string(),
        timestamp,
        signature: URL_SAFE_NO_PAD.encode([7; 64]),
    }
}

fn parse(request: &ApiKeyTokenRequest) -> Result<Challenge, Refusal> {
    let now = Timestamp::from_millisecond(NOW * 1000 + 999).unwrap();
    Challenge::parse(request, Environment::Uat, TOLERANCE, now)
}

#[test]
fn d01_a_challenge_is_fresh_up_to_the_tolerance_inclusive() {
    for skew in [0, 29, -29, 30, -30] {
        let challenge = parse(&request(NOW + skew)).unwrap();
        assert_eq!(challenge.at().as_second(), NOW + skew);
        assert_eq!(challenge.key_id(), key_id());
        assert_eq!(
            challenge.text(),
            format!("{}.{}", key_id(), NOW + skew).as_bytes()
        );
    }
}

#[test]
fn d02_outside_the_tolerance_the_refusal_has_the_clock_and_the_skew() {
    for (timestamp, skew_ms) in [
        (NOW + 31, 31_000),
        (NOW - 31, -31_000),
        (0, -NOW * 1000),
        (1, (1 - NOW) * 1000),
        (4_102_444_800, (4_102_444_800 - NOW) * 1000),
        (i64::MAX, i64::MAX),
    ] {
        let Err(Refusal::TimestampOutOfRange {
            server_time,
            skew_ms: told,
            ..
        }) = parse(&request(timestamp))
        else {
            panic!("{timestamp} was accepted")
        };
        assert_eq!((server_time.as_second(), told), (NOW, skew_ms));
    }
}

#[test]
fn d04_a_negative_timestamp_is_malformed() {
    for timestamp in [-1, i64::MIN] {
        let refusal = parse(&request(timestamp)).unwrap_err();
        assert!(
            matches!(
                refusal,
                Refusal::InvalidField {
                    field: "timestamp",
                    ..
                }
            ),
            "{refusal:?}"
        );
    }
}

#[test]
fn d03_milliseconds_get_a_hint_and_are_not_converted() {
    for (timestamp, expected) in [
        (NOW * 1000, TimestampHint::NotSeconds),
        (NOW * 1_000_000, TimestampHint::NotSeconds),
        (NOW * 100, TimestampHint::NotSeconds),
        (NOW * 100 - 1, TimestampHint::None),
        (NOW / 1000, TimestampHint::None),
        (NOW + 3600, TimestampHint::None),
    ] {
        let Err(refusal @ Refusal::TimestampOutOfRange { hint, .. }) = parse(&request(timestamp)) else {
            panic!("{timestamp} was accepted")
        };
        assert_eq!(hint, expected, "{timestamp}");
        assert_eq!(
            refusal.to_string().contains("send whole Unix seconds"),
            expected == TimestampHint::NotSeconds
        );
    }
    assert_eq!(
        parse(&request(NOW - 100)).unwrap_err().to_string(),
        "timestamp is 100 s behind the server's clock"
    );
    assert_eq!(
        parse(&request(NOW + 100)).unwrap_err().to_string(),
        "timestamp is 100 s ahead of the server's clock"
    );
}

#[test]
fn d14_a_key_id_must_be_a_uuid_with_dashes() {
    let upper = key_id().to_string().to_uppercase();
    let challenge = parse(&ApiKeyTokenRequest {
        key_id: upper.clone(),
        ..request(NOW)
    })
    .unwrap();
    assert_eq!(
        challenge.text(),
        format!("{upper}.{NOW}").as_bytes(),
        "the signed text has the id as sent"
    );
    let id = key_id().to_string();
    for bad in [
        String::new(),
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        format!("{id}."),
        format!("{}\0", &id[..35]),
        format!("{}.", &id[..35]),
        id.replace('a', "а"), // a Cyrillic letter
        "%2e".repeat(12),
        "x".repeat(10 << 10),
    ] {
        let refusal = parse(&ApiKeyTokenRequest {
            key_id: bad.clone(),
            ..request(NOW)
        })
        .unwrap_err();
        assert!(
            matches!(refusal, Refusal::InvalidField { field: "key_id", .. }),
            "{bad:?}: {refusal:?}"
        );
    }
}

#[test]
fn d06_a_key_of_the_other_environment_is_refused_with_its_url() {
    let other = KeyId::generate(Environment::Production, [1; 16]);
    let refusal = parse(&ApiKeyTokenRequest {
        key_id: other.to_string(),
        ..request(NOW)
    })
    .unwrap_err();
    assert_eq!(
        refusal,
        Refusal::WrongEnvironment {
            here: Environment::Uat,
            theirs: Environment::Production
        }
    );
    assert!(refusal.to_string().contains("https://api.truemarkets.co/v1/auth"));
    // An id without an environment passes; the lookup will not find it.
    parse(&ApiKeyTokenRequest {
        key_id: uuid::Uuid::nil().to_string(),
        ..request(NOW)
    })
    .unwrap();
}

#[test]
fn d09_d10_the_session_id_depends_on_the_whole_challenge_except_s() {
    let id = |key: [u8; 16], at: i64, signature: [u8; 64], environment| {
        Challenge {
            key_id: KeyId::generate(Environment::Uat, key),
            at: Timestamp::from_second(at).unwrap(),
            text: String::new(),
            signature: signature.into(),
        }
        .session_id(environment)
    };
    let mut other_s = [7; 64];
    other_s[63] = 9;
    let mut other_r = [7; 64];
    other_r[31] = 9;
    let uat = Environment::Uat;
    let first = id([1; 16], NOW, [7; 64], uat);
    assert_eq!(first, id([1; 16], NOW, other_s, uat));
    assert_ne!(first, id([1; 16], NOW, other_r, uat));
    assert_ne!(first, id([2; 16], NOW, [7; 64], uat));
    assert_ne!(first, id([1; 16], NOW + 1, [7; 64], uat));
    assert_ne!(first, id([1; 16], NOW, [7; 64], Environment::Production));
    assert!(
        first < id([1; 16], NOW + 1, [7; 64], uat),
        "later challenges have larger ids"
    );
    assert_eq!(first.0.get_version_num(), 8);
    assert_eq!(first.0.as_bytes()[..5], NOW.to_be_bytes()[3..]);
}
