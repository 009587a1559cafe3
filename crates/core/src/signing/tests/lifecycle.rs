//! Tests of each step of the key rotation, and a property test of the whole.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::lifecycle::{Schedule, Step, due, next_key, next_key_ready_at};
use super::super::{Algorithm, KeyState, Purpose, Sealed, StoredSigningKey};
use crate::sample::{at, just_before};

const DAY: i64 = 86_400;
const ACCESS: Purpose = Purpose::AccessToken;
const REFRESH: Purpose = Purpose::RefreshToken;

fn schedule() -> Schedule {
    Schedule {
        rotate_after: SignedDuration::from_hours(24 * 90),
        publish_before: SignedDuration::from_hours(24),
        keep_after: SignedDuration::from_secs(3610),
        algorithm: Some(Algorithm::RS256),
    }
}

fn mac_schedule() -> Schedule {
    Schedule {
        algorithm: None,
        ..schedule()
    }
}

fn published(kid: &str, published_at: Timestamp) -> StoredSigningKey {
    StoredSigningKey {
        kid: kid.into(),
        purpose: ACCESS,
        algorithm: Some(Algorithm::RS256),
        sealed: Sealed(Vec::new()),
        published_at,
        signing_since: None,
        retired_at: None,
    }
}

fn signing(kid: &str, since: Timestamp) -> StoredSigningKey {
    StoredSigningKey {
        signing_since: Some(since),
        ..published(kid, since)
    }
}

fn retiring(kid: &str, retired_at: Timestamp) -> StoredSigningKey {
    StoredSigningKey {
        retired_at: Some(retired_at),
        ..signing(kid, at(-100 * DAY))
    }
}

fn mac(key: StoredSigningKey) -> StoredSigningKey {
    StoredSigningKey {
        purpose: REFRESH,
        algorithm: None,
        ..key
    }
}

fn es256(key: StoredSigningKey) -> StoredSigningKey {
    StoredSigningKey {
        algorithm: Some(Algorithm::ES256),
        ..key
    }
}

fn access_due(keys: &[StoredSigningKey], now: Timestamp) -> Vec<Step> {
    due(keys, ACCESS, &schedule(), now)
}

fn mac_due(keys: &[StoredSigningKey], now: Timestamp) -> Vec<Step> {
    due(keys, REFRESH, &mac_schedule(), now)
}

fn promote(kid: &str) -> Step {
    Step::Promote(kid.into())
}

fn remove(kid: &str) -> Step {
    Step::Remove(kid.into())
}

#[test]
fn b04_an_empty_database_gets_a_signing_key_and_a_next_key() {
    assert_eq!(access_due(&[], at(0)), [Step::CreateSigning, Step::CreateNextKey]);
    assert_eq!(mac_due(&[], at(0)), [Step::CreateSigning]);
    // Keys of the other purpose do not count.
    let others = [
        signing("a", at(0)),
        published("b", at(0)),
        retiring("c", at(-DAY)),
    ];
    assert_eq!(mac_due(&others, at(0)), [Step::CreateSigning]);
    let others = others.map(mac);
    assert_eq!(
        access_due(&others, at(0)),
        [Step::CreateSigning, Step::CreateNextKey]
    );
}

#[test]
fn b02_a_next_key_is_always_published() {
    assert_eq!(access_due(&[signing("a", at(0))], at(0)), [Step::CreateNextKey]);
    assert_eq!(
        access_due(&[signing("a", at(0)), published("b", at(0))], at(0)),
        []
    );
    // MAC keys are not published, so they need no next key.
    assert_eq!(mac_due(&[mac(signing("a", at(0)))], at(0)), []);
}

#[test]
fn b02_an_old_key_is_replaced_once_verifiers_have_the_next_key() {
    let spare_since = at(-DAY);
    let old_at = at(0);
    let keys = [signing("a", at(-90 * DAY)), published("b", spare_since)];
    assert_eq!(access_due(&keys, just_before(old_at)), []);
    assert_eq!(access_due(&keys, old_at), [promote("b"), Step::CreateNextKey]);
    assert_eq!(next_key_ready_at(&keys, &schedule()), Some(at(0)));

    let young_spare = [signing("a", at(-91 * DAY)), published("b", at(-DAY + 60))];
    let ready_at = at(60);
    assert_eq!(next_key_ready_at(&young_spare, &schedule()), Some(ready_at));
    assert_eq!(access_due(&young_spare, just_before(ready_at)), []);
    assert_eq!(
        access_due(&young_spare, ready_at),
        [promote("b"), Step::CreateNextKey]
    );
}

#[test]
fn b02_an_old_key_without_a_next_key_keeps_signing() {
    assert_eq!(
        access_due(&[signing("a", at(-100 * DAY))], at(0)),
        [Step::CreateNextKey]
    );
    assert_eq!(next_key_ready_at(&[signing("a", at(0))], &schedule()), None);
}

#[test]
fn b02_a_retired_key_is_kept_until_its_tokens_have_expired() {
    let gone_at = at(3610);
    let keys = [
        signing("a", at(0)),
        published("b", at(0)),
        retiring("old", at(0)),
        retiring("older", at(-1)),
    ];
    assert_eq!(access_due(&keys, just_before(at(3609))), []);
    assert_eq!(access_due(&keys, just_before(gone_at)), [remove("older")]);
    assert_eq!(access_due(&keys, gone_at), [remove("old"), remove("older")]);
    let macs = keys.map(mac);
    assert_eq!(mac_due(&macs, gone_at), [remove("old"), remove("older")]);
}

#[test]
fn b03_the_next_key_signs_at_once_if_the_signing_key_is_removed() {
    // At any age: verifiers that do not have it yet fetch it.
    let keys = [published("b", at(0)), retiring("a", at(0))];
    assert_eq!(access_due(&keys, at(0)), [promote("b"), Step::CreateNextKey]);
    assert_eq!(
        access_due(&keys, at(3610)),
        [remove("a"), promote("b"), Step::CreateNextKey]
    );
    assert_eq!(
        access_due(&keys[1..], at(0)),
        [Step::CreateSigning, Step::CreateNextKey]
    );
    assert_eq!(mac_due(&[mac(published("b", at(0)))], at(0)), [promote("b")]);
}

#[test]
fn b02_a_change_of_algorithm_replaces_the_next_key_first() {
    // 1. The next key has the old algorithm and will never sign.
    let keys = [es256(signing("a", at(-DAY))), es256(published("b", at(-DAY)))];
    assert_eq!(access_due(&keys, at(0)), [remove("b"), Step::CreateNextKey]);
    // 2. Its replacement signs as soon as verifiers have it, however young the signing key is.
    let keys = [es256(signing("a", at(-DAY))), published("c", at(0))];
    assert_eq!(access_due(&keys, just_before(at(DAY))), []);
    assert_eq!(access_due(&keys, at(DAY)), [promote("c"), Step::CreateNextKey]);
    // 3. A next key of another algorithm is removed if the signing key has the right one, too.
    let keys = [signing("a", at(-DAY)), es256(published("b", at(-DAY)))];
    assert_eq!(access_due(&keys, at(0)), [remove("b"), Step::CreateNextKey]);
    // The old key keeps signing until there is a next key.
    assert_eq!(
        access_due(&[es256(signing("a", at(-DAY)))], at(0)),
        [Step::CreateNextKey]
    );
}

#[test]
fn e12_an_old_mac_key_is_replaced_at_once() {
    let key = [mac(signing("a", at(-90 * DAY)))];
    assert_eq!(mac_due(&key, just_before(at(0))), []);
    assert_eq!(mac_due(&key, at(0)), [Step::CreateSigning]);
}

#[test]
fn b03_the_key_published_first_is_the_next_key() {
    let keys = [
        retiring("r", at(-5)),
        signing("s", at(-4)),
        published("late", at(-1)),
        published("b", at(-2)),
        published("a", at(-2)),
        mac(published("mac", at(-9))),
    ];
    assert_eq!(next_key(&keys, ACCESS).unwrap().kid, "a");
    assert_eq!(next_key(&keys, REFRESH).unwrap().kid, "mac");
    assert_eq!(next_key(&keys[..2], ACCESS), None);
    assert_eq!(next_key_ready_at(&keys, &schedule()), Some(at(-2 + DAY)));
    let states: Vec<KeyState> = keys.iter().map(StoredSigningKey::state).collect();
    assert_eq!(
        states[..3],
        [KeyState::Retiring, KeyState::Signing, KeyState::Published]
    );
    // A key that was retired before it ever signed is retiring as well.
    let withdrawn = StoredSigningKey {
        retired_at: Some(at(0)),
        ..published("w", at(-2))
    };
    assert_eq!(withdrawn.state(), KeyState::Retiring);
}

#[test]
fn purposes_parse_back_from_their_names() {
    for (purpose, word) in [(ACCESS, "access_token"), (REFRESH, "refresh_token")] {
        assert_eq!(purpose.as_str(), word);
        assert_eq!(Purpose::parse(word), Some(purpose));
    }
    assert_eq!(Purpose::parse("Access_Token"), None);
}

/// Applies a step to the keys.
fn apply(keys: &mut Vec<StoredSigningKey>, step: Step, number: usize, now: Timestamp) {
    let retire = |keys: &mut Vec<StoredSigningKey>| {
        for key in keys.iter_mut().filter(|key| key.state() == KeyState::Signing) {
            key.retired_at = Some(now);
        }
    };
    match step {
        Step::CreateSigning => {
            retire(keys);
            keys.push(signing(&number.to_string(), now));
        }
        Step::CreateNextKey => keys.push(published(&number.to_string(), now)),
        Step::Promote(kid) => {
            retire(keys);
            let key = keys.iter_mut().find(|key| key.kid == kid).unwrap();
            key.signing_since = Some(now);
        }
        Step::Remove(kid) => keys.retain(|key| key.kid != kid),
    }
}

proptest! {
    /// For any times at which due steps are applied: a verifier that fetched the set a day ago has
    /// the current signing key, and the keys of all tokens of the last hour are still published.
    #[test]
    fn b02_a_day_old_key_set_has_the_current_signing_key(gaps in proptest::collection::vec(1_i64..600, 1..800)) {
        let quick = Schedule { rotate_after: SignedDuration::from_hours(48), ..schedule() };
        let mut keys = Vec::new();
        let (mut number, mut time) = (0, 0);
        // Time, published keys and signing key of each round.
        let mut history: Vec<(i64, Vec<String>, String)> = Vec::new();
        for gap in gaps {
            time += gap * 60;
            for step in due(&keys, ACCESS, &quick, at(time)) {
                number += 1;
                apply(&mut keys, step, number, at(time));
            }
            prop_assert_eq!(due(&keys, ACCESS, &quick, at(time)), [], "one round is enough");
            let current: Vec<&StoredSigningKey> = keys.iter().filter(|key| key.state() == KeyState::Signing).collect();
            prop_assert_eq!(current.len(), 1);
            prop_assert!(next_key(&keys, ACCESS).is_some() && keys.len() <= 4);
            let published: Vec<String> = keys.iter().map(|key| key.kid.clone()).collect();
            history.push((time, published.clone(), current[0].kid.clone()));
            if let Some((_, yesterday, _)) = history.iter().rev().find(|(at, ..)| time - at >= DAY) {
                prop_assert!(yesterday.contains(&current[0].kid));
            }
            for (at, _, kid) in history.iter().rev().take_while(|(at, ..)| time - at < 3600) {
                prop_assert!(published.contains(kid), "{kid} signed at {at} and was removed");
            }
        }
    }
}
