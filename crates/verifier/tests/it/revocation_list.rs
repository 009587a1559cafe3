//! Which revocation lists are valid, and what they revoke.

use std::collections::BTreeMap;

use tm_auth_proto::compact::{MAX_LEN, Malformed};
use tm_auth_proto::{Environment, KeyId, RevocationList};
use tm_auth_verifier::testing::{TestIssuer, TestKey};
use tm_auth_verifier::{
    Algorithm, Clock, InvalidToken, MAX_REVOCATIONS_LEN, Policy, REVOCATION_RETENTION, Revocations, Revoked,
    check_revocations,
};

use crate::support::{AUDIENCE, encode};

fn policy() -> Policy {
    Policy::new(tm_auth_verifier::testing::ISSUER, AUDIENCE).environment(Environment::Uat)
}

#[test]
fn an_invalid_list_is_refused() {
    let issuer = TestIssuer::new(Environment::Uat);
    let (keys, now) = (issuer.key_set(), issuer.clock().now());
    let check = |text: &str| check_revocations(text, &keys, &policy(), now);
    let list = issuer.revocation_list();
    let good = issuer.sign_revocations(&list);
    assert_eq!(check(&good).unwrap(), list);

    let payload = serde_json::to_vec(&list).unwrap();
    for typ in ["at+jwt", "JWT", "application/revocations+jwt", "revocations"] {
        let error = check(&issuer.sign_raw(&issuer.header(typ), &payload)).unwrap_err();
        assert_eq!(error, InvalidToken::WrongType, "{typ}");
    }
    let mut untyped = issuer.header("");
    untyped.as_object_mut().unwrap().remove("typ");
    assert_eq!(
        check(&issuer.sign_raw(&untyped, &payload)).unwrap_err(),
        InvalidToken::WrongType
    );

    let foreign = TestKey::generate(issuer.signing_key().kid(), Algorithm::ES256);
    let (input, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", encode(foreign.sign(input.as_bytes())));
    assert_eq!(check(&forged).unwrap_err(), InvalidToken::BadSignature);

    let changed = |change: fn(&mut RevocationList)| {
        let mut list = list.clone();
        change(&mut list);
        check(&issuer.sign_revocations(&list)).err()
    };
    assert_eq!(
        changed(|list| list.iss.push('/')),
        Some(InvalidToken::WrongIssuer)
    );
    assert_eq!(
        changed(|list| list.env = Environment::Production),
        Some(InvalidToken::WrongEnvironment)
    );
    // The test clock is at a multiple of 30 s, so `iat` is the current time. The leeway is 10 s.
    assert_eq!(changed(|list| list.exp = list.iat - 9), None);
    assert_eq!(
        changed(|list| list.exp = list.iat - 10),
        Some(InvalidToken::Expired)
    );
    assert_eq!(changed(|list| list.iat += 10), None);
    assert_eq!(changed(|list| list.iat += 11), Some(InvalidToken::IssuedInFuture));

    for payload in ["", "{}", "null", r#"{"iss":1}"#] {
        let forged = issuer.sign_raw(&issuer.header("revocations+jwt"), payload.as_bytes());
        assert_eq!(check(&forged).unwrap_err(), InvalidToken::MalformedPayload);
    }
    assert_eq!(check("x").unwrap_err(), Malformed::Parts.into());
    assert_eq!(MAX_REVOCATIONS_LEN, 4_194_304);
    let long = "x".repeat(MAX_REVOCATIONS_LEN + 1);
    assert_eq!(check(&long).unwrap_err(), Malformed::TooLong.into());
}

#[test]
fn a_list_may_be_longer_than_a_token() {
    let issuer = TestIssuer::new(Environment::Uat);
    for _ in 0..1_000 {
        issuer.revoke_session(issuer.claims(AUDIENCE).sid);
    }
    let text = issuer.sign_revocations(&issuer.revocation_list());
    assert!(text.len() > MAX_LEN);
    let list = check_revocations(&text, &issuer.key_set(), &policy(), issuer.clock().now()).unwrap();
    assert_eq!(Revocations::from(list).len(), 1_000);
}

#[test]
fn later_lists_are_merged_into_earlier_ones() {
    let issuer = TestIssuer::new(Environment::Uat);
    let mut claims = issuer.claims(AUDIENCE);
    let key = KeyId::generate(Environment::Uat, [9; 16]);
    let empty = issuer.revocation_list();
    let mut full = empty.clone();
    full.sids = vec![claims.sid];
    full.keys = vec![key];
    full.uids = BTreeMap::from([(claims.uid, claims.iat)]);

    assert_eq!(REVOCATION_RETENTION, 3_720);
    let none = Revocations::default();
    assert!(none.is_empty() && none.revoked(&claims).is_none());
    let some = Revocations::from(full.clone());
    assert_eq!((some.len(), some.is_empty()), (3, false));
    assert_eq!(some.revoked(&claims), Some(Revoked::Session));
    let global = RevocationList {
        issued_before: Some(1),
        ..empty.clone()
    };
    let global = Revocations::from(global);
    assert_eq!((global.len(), global.is_empty()), (0, false));

    // An older list is not used, one with the same `iat` is, and neither removes a revocation.
    let older = RevocationList {
        iat: full.iat - 1,
        ..empty.clone()
    };
    assert!(some.updated_with(older).is_none());
    let same_slot = some.updated_with(empty.clone()).unwrap();
    assert_eq!(same_slot.revoked(&claims), Some(Revoked::Session));
    let added = Revocations::from(empty.clone())
        .updated_with(full.clone())
        .unwrap();
    assert_eq!(added.revoked(&claims), Some(Revoked::Session));

    // A revocation is forgotten when every token that it concerns has expired.
    let after = |seconds| RevocationList {
        iat: full.iat + seconds,
        ..empty.clone()
    };
    let last = some.updated_with(after(REVOCATION_RETENTION - 1)).unwrap();
    assert_eq!((last.len(), last.revoked(&claims)), (3, Some(Revoked::Session)));
    let gone = some.updated_with(after(REVOCATION_RETENTION)).unwrap();
    assert_eq!((gone.len(), gone.revoked(&claims)), (0, None));
    // A later list with the same entry extends the time.
    let again = RevocationList {
        iat: full.iat + REVOCATION_RETENTION - 1,
        ..full.clone()
    };
    let again = some
        .updated_with(again)
        .unwrap()
        .updated_with(after(REVOCATION_RETENTION))
        .unwrap();
    assert_eq!(again.len(), 3);

    // "Issued before" only grows, and does not include the second itself.
    claims.sid = issuer.claims(AUDIENCE).sid;
    assert_eq!(some.revoked(&claims), None);
    let mut later = full.clone();
    later.uids = BTreeMap::from([(claims.uid, claims.iat + 1)]);
    later.issued_before = Some(5);
    let later = some.updated_with(later).unwrap();
    assert_eq!(later.revoked(&claims), Some(Revoked::Account));
    let back = later.updated_with(full.clone()).unwrap();
    assert_eq!(back.revoked(&claims), Some(Revoked::Account));
    claims.uid = issuer.claims(AUDIENCE).uid;
    assert_eq!(back.revoked(&claims), None);
    claims.iat = 5;
    assert_eq!(back.revoked(&claims), None);
    claims.iat = 4;
    assert_eq!(back.revoked(&claims), Some(Revoked::Everything));
    claims.client_id = key.to_string();
    assert_eq!(back.revoked(&claims), Some(Revoked::Key));
}
