use std::collections::HashSet;
use std::sync::LazyLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use tm_auth_proto::{AccountId, Jwk};

use super::*;
use crate::sample::{HERE, ISSUER, NOW, account, at, key, pair};
use crate::signing::Algorithm;

const AUDIENCE: &str = "https://api.uat.truemarkets.co";
const SID: SessionId = SessionId(uuid::Uuid::from_u128(0x51d));

static KEYS: LazyLock<[SigningKey; 3]> = LazyLock::new(|| {
    [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
        .map(|algorithm| SigningKey::generate(algorithm, HERE).unwrap())
});

fn issuer() -> Issuer {
    Issuer {
        url: ISSUER.into(),
        audience: AUDIENCE.into(),
        environment: HERE,
        access_ttl: SignedDuration::from_hours(1),
    }
}

fn platform(key: &ApiKey) -> AccessClaims {
    issuer().platform_claims(key, SID, at(-10), at(86_400), [9; 16], at(0))
}

/// Verifies a token with only the published key; returns its header and claims.
fn verified(token: &str, jwk: &Jwk) -> (Value, Value) {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let member = |value: &Option<String>| decode(value.as_ref().unwrap());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (message, signature) = (input.as_bytes(), decode(signature));
    match jwk.kty.as_str() {
        "RSA" => RsaPublicKeyComponents {
            n: member(&jwk.n),
            e: member(&jwk.e),
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature),
        "EC" => {
            let point = [vec![4], member(&jwk.x), member(&jwk.y)].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
        }
        "OKP" => UnparsedPublicKey::new(&ED25519, member(&jwk.x)).verify(message, &signature),
        other => panic!("{other}"),
    }
    .expect("the published key verifies the token");
    let (header, claims) = input.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice(&decode(part)).unwrap();
    (json(header), json(claims))
}

#[test]
fn a19_a_platform_token_has_exactly_these_claims() {
    let key = key(&pair());
    assert_eq!(
        serde_json::to_value(platform(&key)).unwrap(),
        json!({
            "iss": ISSUER,
            "sub": "alice@example.com",
            "aud": AUDIENCE,
            "iat": NOW,
            "exp": NOW + 3600,
            "jti": "09090909-0909-4909-8909-090909090909",
            "client_id": key.key_id,
            "scope": "read trade transfer",
            "uid": key.account.uid,
            "tm": { "organization_id": key.account.organization_id },
            "sid": SID,
            "auth_time": NOW - 10,
            "env": "uat",
        })
    );
}

#[test]
fn a19_the_subject_of_an_account_without_an_address_is_its_uid() {
    let mut key = key(&pair());
    key.account.email = None;
    assert_eq!(platform(&key).sub, key.account.uid.to_string());
}

#[test]
fn a19_a_platform_token_has_the_scopes_of_its_key() {
    let mut key = key(&pair());
    key.scopes = Scopes::from_claim("read");
    assert_eq!(platform(&key).scope, "read");
    assert_eq!(minting_key(&platform(&key)), Some(key.key_id));
}

#[test]
fn a19_the_published_key_verifies_tokens_of_each_algorithm() {
    let claims = platform(&key(&pair()));
    for key in KEYS.iter() {
        let token = sign(&claims, key);
        let (header, read) = verified(&token.text, &key.jwk());
        assert_eq!(
            header,
            json!({ "alg": key.algorithm().as_str(), "kid": key.kid(), "typ": "at+jwt" })
        );
        assert_eq!(read, serde_json::to_value(&claims).unwrap());
        assert_eq!(token.expires_at, at(3600));
    }
}

#[test]
fn a19_the_largest_token_is_below_the_size_limit() {
    let mut key = key(&pair());
    key.account.email = Some(format!("{}@{}.example", "a".repeat(64), "b".repeat(181)));
    assert_eq!(key.account.email.as_ref().unwrap().len(), 254);
    let longest = Issuer {
        url: "https://api.truemarkets.co/v1/auth".into(),
        audience: "https://api.truemarkets.co".into(),
        environment: Environment::Production,
        ..issuer()
    };
    let claims = longest.platform_claims(&key, SID, at(0), at(86_400), [9; 16], at(0));
    let rsa = SigningKey::generate(Algorithm::RS256, Environment::Production).unwrap();
    let length = sign(&claims, &rsa).text.len();
    assert!(length <= 1536, "{length} bytes");
    let usual = sign(&platform(&self::key(&pair())), &rsa).text.len();
    assert!(usual <= 1100, "{usual} bytes");
}

#[test]
fn a19_different_randomness_gives_different_token_ids() {
    let key = key(&pair());
    let ids: HashSet<String> = (0..100_000_u32)
        .map(|count| {
            let mut random = [0; 16];
            random[..4].copy_from_slice(&count.to_be_bytes());
            issuer()
                .platform_claims(&key, SID, at(0), at(9), random, at(0))
                .jti
        })
        .collect();
    assert_eq!(ids.len(), 100_000);
}

fn by_code(seconds: i64) -> Proof {
    Proof {
        method: AuthMethod::EmailCode,
        at: at(seconds),
    }
}

#[test]
fn a_users_token_has_the_authentication_method_and_expires_with_the_session() {
    let claims = issuer().user_claims(&account(), SID, by_code(-1), at(60), [9; 16], at(0));
    assert_eq!(proof(&claims), Some(by_code(-1)));
    assert_eq!(
        (claims.exp, claims.client_id.as_str()),
        (NOW + 60, "truemarkets-native")
    );
    assert_eq!(claims.scopes(), Scopes::ALL);
    assert!(claims.aud.is_exactly(AUDIENCE));
    assert_eq!(proof(&platform(&key(&pair()))), None);
}

#[test]
fn d19_a_management_token_is_only_for_the_issuer_and_short_lived() {
    let claims = issuer().management_claims(&account(), SID, by_code(-1), [9; 16], at(0));
    assert_eq!(
        serde_json::to_value(&claims).unwrap(),
        json!({
            "iss": ISSUER,
            "sub": "alice@example.com",
            "aud": ISSUER,
            "iat": NOW,
            "exp": NOW + 300,
            "jti": "09090909-0909-4909-8909-090909090909",
            "client_id": "truemarkets-native",
            "scope": "",
            "uid": account().uid,
            "tm": { "organization_id": account().organization_id },
            "sid": SID,
            "auth_time": NOW - 1,
            "amr": ["email_code"],
            "env": "uat",
        })
    );
    assert!(claims.aud.is_exactly(ISSUER) && !claims.aud.contains(AUDIENCE));
    assert!(claims.scopes().is_empty());
    assert_eq!(minting_key(&claims), None);
    assert!(!platform(&key(&pair())).aud.contains(ISSUER));
}

#[test]
fn a19_accounts_with_the_same_address_differ_in_uid() {
    let mut other = account();
    other.uid = AccountId(uuid::Uuid::from_u128(2));
    let claims = |account| issuer().management_claims(account, SID, by_code(0), [9; 16], at(0));
    assert_ne!(claims(&account()).uid, claims(&other).uid);
}

proptest! {
    /// A token expires after its configured lifetime, but never after its key or its session.
    #[test]
    fn a19_a_token_expires_with_its_lifetime_key_or_session_whichever_is_first(
        ttl in 600_i64..=3600,
        key_end in proptest::option::of(1_i64..8_000_000),
        session_end in 1_i64..8_000_000,
    ) {
        // The expiries have fractions of a second; the claim is rounded down.
        let after = |millis: i64| at(0) + SignedDuration::from_millis(millis);
        let key = ApiKey { expires_at: key_end.map(after), ..key(&pair()) };
        let issuer = Issuer { access_ttl: SignedDuration::from_secs(ttl), ..issuer() };
        let claims = issuer.platform_claims(&key, SID, at(0), after(session_end), [9; 16], at(0));
        let first = (ttl * 1000).min(session_end).min(key_end.unwrap_or(i64::MAX));
        prop_assert_eq!(claims.exp - claims.iat, first / 1000);
    }
}
