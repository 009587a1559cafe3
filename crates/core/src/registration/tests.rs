use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use tm_auth_proto::KeyId;

use super::*;
use crate::sample::{HERE, ISSUER, NOW, account, at, pair, public, sign};

fn proof(timestamp: i64, signature: [u8; 64]) -> RegistrationProof {
    RegistrationProof {
        timestamp,
        signature: URL_SAFE_NO_PAD.encode(signature),
    }
}

#[test]
fn c07_the_holder_of_a_key_proves_possession() {
    let pair = pair();
    let key = public(&pair);
    let text = challenge::registration(ISSUER, account().uid, &key.fingerprint(), NOW);
    let good = proof(NOW, sign(&pair, &text));
    let owned = verify_possession(key.clone(), &good, ISSUER, account().uid, at(0)).unwrap();
    assert_eq!(owned.key(), &key);
    let padded = RegistrationProof {
        signature: STANDARD.encode(sign(&pair, &text)),
        ..good
    };
    verify_possession(key, &padded, ISSUER, account().uid, at(0)).unwrap();
}

#[test]
fn c07_a_proof_over_another_issuer_account_fingerprint_or_timestamp_is_refused() {
    let pair = pair();
    let key = public(&pair);
    let other = public(&self::pair()).fingerprint();
    let stranger = AccountId(uuid::Uuid::from_u128(0xb0b));
    let uid = account().uid;
    let mine = key.fingerprint();
    let good = challenge::registration(ISSUER, uid, &mine, NOW);
    for text in [
        challenge::registration("https://api.truemarkets.co/v1/auth", uid, &mine, NOW),
        challenge::registration(ISSUER, stranger, &mine, NOW),
        challenge::registration(ISSUER, uid, &other, NOW),
        challenge::registration(ISSUER, uid, &mine, NOW + 1),
        format!("{good}\n"),
        challenge::mint(&uid.to_string(), NOW),
    ] {
        assert_eq!(
            verify_possession(key.clone(), &proof(NOW, sign(&pair, &text)), ISSUER, uid, at(0)).unwrap_err(),
            Refusal::InvalidProof,
            "{text}"
        );
    }
    let by_another = proof(NOW, sign(&self::pair(), &good));
    assert_eq!(
        verify_possession(key, &by_another, ISSUER, uid, at(0)).unwrap_err(),
        Refusal::InvalidProof
    );
}

#[test]
fn c07_a_proof_is_valid_for_five_minutes_before_and_after() {
    let pair = pair();
    let key = public(&pair);
    let uid = account().uid;
    // The fraction of the server's second is ignored: proofs have none.
    let now = at(0) + SignedDuration::from_millis(999);
    let try_at = |timestamp: i64| {
        let text = challenge::registration(ISSUER, uid, &key.fingerprint(), timestamp);
        verify_possession(
            key.clone(),
            &proof(timestamp, sign(&pair, &text)),
            ISSUER,
            uid,
            now,
        )
    };
    for skew in [0, 299, -299, 300, -300] {
        assert!(try_at(NOW + skew).is_ok(), "{skew}");
    }
    for (timestamp, skew_ms) in [
        (NOW + 301, 301_000),
        (NOW - 301, -301_000),
        (0, -NOW * 1000),
        (i64::MAX, i64::MAX),
        (i64::MIN, i64::MIN),
    ] {
        assert_eq!(
            try_at(timestamp).unwrap_err(),
            Refusal::TimestampOutOfRange {
                server_time: now,
                skew_ms,
                hint: TimestampHint::None
            }
        );
    }
}

#[test]
fn d11_an_undecodable_signature_of_a_proof_is_refused_as_at_a_mint() {
    let undecodable = RegistrationProof {
        timestamp: NOW,
        signature: "~".into(),
    };
    assert!(matches!(
        verify_possession(public(&pair()), &undecodable, ISSUER, account().uid, at(0)),
        Err(Refusal::BadSignatureEncoding(_))
    ));
}

proptest! {
    /// The text of a mint never equals the text of a registration, so a signature over one is
    /// invalid for the other.
    #[test]
    fn c07_no_text_is_valid_for_both_a_mint_and_a_registration(
        issuer in "\\PC{0,40}",
        random in any::<[u8; 16]>(),
        timestamp in any::<i64>(),
    ) {
        let key_id = KeyId::generate(HERE, random).to_string();
        let registration = challenge::registration(&issuer, account().uid, "fingerprint", timestamp);
        for id in [key_id.clone(), key_id.to_uppercase()] {
            prop_assert_ne!(challenge::mint(&id, timestamp), registration.clone());
        }
        // A mint begins with a hex digit, a registration does not.
        prop_assert!(!registration.as_bytes()[0].is_ascii_hexdigit());
        prop_assert!(!challenge::mint(&key_id, timestamp).contains('\n') && registration.contains('\n'));
    }
}

#[test]
fn an_activation_requires_a_fresh_signature_by_the_key_over_its_id() {
    let pair = pair();
    let key = crate::sample::key(&pair);
    let good = challenge::activation(ISSUER, key.key_id, NOW);
    let confirmed = confirm(&key, &proof(NOW, sign(&pair, &good)), ISSUER, at(300)).unwrap();
    assert_eq!(confirmed.key_id(), key.key_id);
    let other = KeyId::generate(HERE, [0x5b; 16]);
    for text in [
        challenge::activation("https://api.truemarkets.co/v1/auth", key.key_id, NOW),
        challenge::activation(ISSUER, other, NOW),
        challenge::activation(ISSUER, key.key_id, NOW + 1),
        // The text of a mint or of the registration.
        challenge::mint(&key.key_id.to_string(), NOW),
        challenge::registration(ISSUER, key.account.uid, &key.public_key.fingerprint(), NOW),
    ] {
        let refused = confirm(&key, &proof(NOW, sign(&pair, &text)), ISSUER, at(0));
        assert_eq!(refused.unwrap_err(), Refusal::InvalidProof, "{text}");
    }
    let by_another = proof(NOW, sign(&self::pair(), &good));
    assert_eq!(
        confirm(&key, &by_another, ISSUER, at(0)).unwrap_err(),
        Refusal::InvalidProof
    );
    let late = confirm(&key, &proof(NOW, sign(&pair, &good)), ISSUER, at(301));
    assert!(matches!(late.unwrap_err(), Refusal::TimestampOutOfRange { .. }));
}
