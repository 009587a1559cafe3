use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::EcdsaKeyPair;
use tm_auth_proto::Environment;

use super::*;
use crate::public_key::verifications;
use crate::sample::{
    HERE, LIFETIMES, NOW, address, at, challenge, deactivate, disable, hex, just_before, key, pair, revoke,
    sign, signed,
};
use crate::secret::SessionSecret;
use crate::session::{self, OpenRandomness};

/// Changes that make an active key unusable, each with its refusal, in order of precedence.
type Case = (fn(&mut ApiKey), Refusal);

fn unusable() -> Vec<Case> {
    vec![
        (revoke, Refusal::KeyRevoked),
        (|key| key.expires_at = Some(at(0)), Refusal::KeyExpired),
        (deactivate, Refusal::KeyPending),
        (disable, Refusal::KeyDisabled),
        (
            |key| key.account.disabled_at = Some(at(-1)),
            Refusal::AccountDisabled,
        ),
        (
            |key| key.allowed_ips = vec!["198.51.100.0/24".parse().unwrap()],
            Refusal::IpNotAllowed { seen: address() },
        ),
    ]
}

/// A key after these changes. The first change is made last, as keys get more final over time.
fn changed(pair: &EcdsaKeyPair, changes: &[Case]) -> Arc<ApiKey> {
    let mut key = key(pair);
    for (change, _) in changes.iter().rev() {
        change(&mut key);
    }
    Arc::new(key)
}

fn verify(key: &Arc<ApiKey>, challenge: Challenge) -> Result<AuthenticatedKey, Refusal> {
    key.verify_challenge(challenge, address(), at(0))
}

/// (r, n − s): as valid as (r, s), and computable without the private key.
fn twin(signature: [u8; 64]) -> [u8; 64] {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut twin = signature;
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(N[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        twin[32 + at] = difference.rem_euclid(256).try_into().unwrap();
    }
    twin
}

#[test]
fn d01_a_challenge_signed_by_an_active_key_verifies() {
    let pair = pair();
    let key = Arc::new(key(&pair));
    let authenticated = verify(&key, signed(&pair, key.key_id)).unwrap();
    assert!(Arc::ptr_eq(authenticated.key(), &key));
    assert_eq!(authenticated.challenge().key_id(), key.key_id);
    assert_eq!(authenticated.challenge().at(), at(0));
}

#[test]
fn d06_an_invalid_signature_does_not_reveal_the_status_of_the_key() {
    let pair = pair();
    for case in unusable() {
        let key = changed(&pair, &[case]);
        let wrong = challenge(&key.key_id.to_string(), sign(&self::pair(), "anything"));
        assert_eq!(verify(&key, wrong).unwrap_err(), Refusal::InvalidCredentials);
    }
}

#[test]
fn d06_a_valid_signature_reveals_the_status_of_the_key() {
    let pair = pair();
    for (change, refusal) in unusable() {
        let key = changed(&pair, &[(change, refusal.clone())]);
        assert_eq!(verify(&key, signed(&pair, key.key_id)).unwrap_err(), refusal);
    }
}

#[test]
fn d06_the_most_final_status_takes_precedence() {
    let pair = pair();
    let cases = unusable();
    for first in 0..cases.len() {
        let key = changed(&pair, &cases[first..]);
        assert_eq!(
            verify(&key, signed(&pair, key.key_id)).unwrap_err(),
            cases[first].1
        );
    }
}

#[test]
fn d06_a_key_expires_exactly_at_its_expiry() {
    let end = at(60);
    let key = ApiKey {
        expires_at: Some(end),
        ..key(&pair())
    };
    assert_eq!(key.status(just_before(end)), ApiKeyStatus::Active);
    assert_eq!(key.check_usable(address(), just_before(end)), Ok(()));
    assert_eq!(key.status(end), ApiKeyStatus::Expired);
    assert_eq!(key.check_usable(address(), end), Err(Refusal::KeyExpired));
}

#[test]
fn d06_each_change_gives_its_status() {
    let pair = pair();
    let cases = unusable();
    for (case, status) in [
        (0, ApiKeyStatus::Revoked),
        (1, ApiKeyStatus::Expired),
        (2, ApiKeyStatus::Pending),
        (3, ApiKeyStatus::Disabled),
        (4, ApiKeyStatus::Active),
    ] {
        assert_eq!(changed(&pair, &cases[case..=case]).status(at(0)), status);
    }
}

#[test]
fn each_state_has_its_times() {
    let mut key = key(&pair());
    let times = |key: &ApiKey| {
        let state = key.lifecycle;
        (state.activated_at(), state.disabled_at(), state.revoked_at())
    };
    assert_eq!(times(&key), (Some(at(-500)), None, None));
    disable(&mut key);
    assert_eq!(times(&key), (Some(at(-500)), Some(at(-1)), None));
    deactivate(&mut key);
    assert_eq!(times(&key), (None, Some(at(-1)), None));
    revoke(&mut key);
    assert_eq!(times(&key), (None, Some(at(-1)), Some(at(-1))));
}

#[test]
fn d13_signatures_over_variants_of_the_text_are_refused() {
    let pair = pair();
    let key = Arc::new(key(&pair));
    let id = key.key_id.to_string();
    let text = format!("{id}.{NOW}");
    let hash = digest(&SHA256, text.as_bytes());
    for variant in [
        format!("{text}\n"),
        format!("{text} "),
        format!(" {text}"),
        format!("{}.{NOW}", id.to_uppercase()),
        format!("{id}{NOW}"),
        format!("{id}:{NOW}"),
        format!("{id}.{}", NOW + 1),
        format!("{id}.0{NOW}"),
        format!("{id}.{NOW}.0"),
        hex(hash.as_ref()),
        String::new(),
    ] {
        let refusal = verify(&key, challenge(&id, sign(&pair, &variant))).unwrap_err();
        assert_eq!(refusal, Refusal::InvalidCredentials, "{variant:?}");
    }
    let signature = pair
        .sign(&aws_lc_rs::rand::SystemRandom::new(), hash.as_ref())
        .unwrap();
    let hashed_twice = challenge(&id, signature.as_ref().try_into().unwrap());
    assert_eq!(
        verify(&key, hashed_twice).unwrap_err(),
        Refusal::InvalidCredentials
    );
}

#[test]
fn d13_the_signed_text_has_the_key_id_as_sent() {
    let pair = pair();
    let key = Arc::new(key(&pair));
    let upper = key.key_id.to_string().to_uppercase();
    let signature = sign(&pair, &format!("{upper}.{NOW}"));
    assert!(verify(&key, challenge(&upper, signature)).is_ok());
    let lower = challenge(&key.key_id.to_string(), signature);
    assert_eq!(verify(&key, lower).unwrap_err(), Refusal::InvalidCredentials);
}

#[test]
fn d15_a_signature_under_another_accounts_key_id_is_refused() {
    let (mine, theirs) = (pair(), pair());
    let my_key = Arc::new(key(&mine));
    let their_key = Arc::new(ApiKey {
        key_id: KeyId::generate(HERE, [0x77; 16]),
        ..key(&theirs)
    });
    let refused =
        |key, challenge| assert_eq!(verify(key, challenge).unwrap_err(), Refusal::InvalidCredentials);
    refused(&their_key, signed(&mine, their_key.key_id));
    // Even if the lookup returned the wrong row: the challenge must have the id of the key.
    refused(&my_key, signed(&mine, their_key.key_id));
    refused(&their_key, signed(&theirs, my_key.key_id));
}

#[test]
fn d10_a_signature_with_negated_s_gives_the_same_session_id() {
    let pair = pair();
    let key = Arc::new(key(&pair));
    let id = key.key_id.to_string();
    let opened = |signature, environment: Environment| {
        let authenticated = verify(&key, challenge(&id, signature)).unwrap();
        let randomness = OpenRandomness {
            secret: SessionSecret::new([1; 16]),
            open_nonce: [2; 16],
        };
        session::open(&authenticated, &randomness, "mac", environment, &LIFETIMES, at(0)).sid
    };
    let first = sign(&pair, &format!("{id}.{NOW}"));
    assert_ne!(first, twin(first));
    assert_eq!(first, twin(twin(first)));
    assert_eq!(opened(first, HERE), opened(twin(first), HERE));
    // Another signature over the same text has another r, and is a different challenge.
    let second = sign(&pair, &format!("{id}.{NOW}"));
    assert_ne!(opened(first, HERE), opened(second, HERE));
    assert_ne!(opened(first, HERE), opened(first, Environment::Production));
}

#[test]
fn d07_an_unknown_key_takes_one_verification_like_a_wrong_signature() {
    let pair = pair();
    let key = Arc::new(key(&pair));
    let wrong = challenge(&key.key_id.to_string(), sign(&self::pair(), "anything"));
    let count = |work: &dyn Fn()| {
        let before = verifications::of_this_thread();
        work();
        verifications::of_this_thread() - before
    };
    let refused = count(&|| {
        verify(&key, wrong.clone()).unwrap_err();
    });
    let unknown = count(&|| verify_dummy(&wrong));
    assert_eq!((refused, unknown), (1, 1));
}
