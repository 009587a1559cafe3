//! When a key begins and ends, branch by branch, and the whole life at once.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::lifecycle::{Schedule, Step, due, spare, spare_ready_at};
use super::super::{Algorithm, KeyState, Purpose, Sealed, StoredKey};
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

fn published(kid: &str, published_at: Timestamp) -> StoredKey {
    StoredKey {
        kid: kid.into(),
        purpose: ACCESS,
        algorithm: Some(Algorithm::RS256),
        sealed: Sealed(Vec::new()),
        published_at,
        signing_since: None,
        retired_at: None,
    }
}

fn signing(kid: &str, since: Timestamp) -> StoredKey {
    StoredKey {
        signing_since: Some(since),
        ..published(kid, since)
    }
}

fn retiring(kid: &str, retired_at: Timestamp) -> StoredKey {
    StoredKey {
        retired_at: Some(retired_at),
        ..signing(kid, at(-100 * DAY))
    }
}

fn mac(key: StoredKey) -> StoredKey {
    StoredKey {
        purpose: REFRESH,
        algorithm: None,
        ..key
    }
}

fn es256(key: StoredKey) -> StoredKey {
    StoredKey {
        algorithm: Some(Algorithm::ES256),
        ..key
    }
}

fn access_due(keys: &[StoredKey], now: Timestamp) -> Vec<Step> {
    due(keys, ACCESS, &schedule(), now)
}

fn mac_due(keys: &[StoredKey], now: Timestamp) -> Vec<Step> {
    due(keys, REFRESH, &mac_schedule(), now)
}

fn promote(kid: &str) -> Step {
    Step::Promote(kid.into())
}

fn remove(kid: &str) -> Step {
    Step::Remove(kid.into())
}

#[test]
fn b04_an_empty_database_gets_a_signing_key_and_a_spare() {
    assert_eq!(access_due(&[], at(0)), [Step::CreateSigning, Step::CreateSpare]);
    assert_eq!(mac_due(&[], at(0)), [Step::CreateSigning]);
    // Keys of the other purpose are not looked at.
    let others = [
        signing("a", at(0)),
        published("b", at(0)),
        retiring("c", at(-DAY)),
    ];
    assert_eq!(mac_due(&others, at(0)), [Step::CreateSigning]);
    let others = others.map(mac);
    assert_eq!(
        access_due(&others, at(0)),
        [Step::CreateSigning, Step::CreateSpare]
    );
}

#[test]
fn b02_a_signing_key_always_has_a_spare_beside_it() {
    assert_eq!(access_due(&[signing("a", at(0))], at(0)), [Step::CreateSpare]);
    assert_eq!(
        access_due(&[signing("a", at(0)), published("b", at(0))], at(0)),
        []
    );
    // A MAC key is in no set, so it needs none.
    assert_eq!(mac_due(&[mac(signing("a", at(0)))], at(0)), []);
}

#[test]
fn b02_a_key_is_replaced_at_its_age_by_a_spare_that_verifiers_have() {
    let spare_since = at(-DAY);
    let old_at = at(0);
    let keys = [signing("a", at(-90 * DAY)), published("b", spare_since)];
    assert_eq!(access_due(&keys, just_before(old_at)), []);
    assert_eq!(access_due(&keys, old_at), [promote("b"), Step::CreateSpare]);
    assert_eq!(spare_ready_at(&keys, &schedule()), Some(at(0)));

    let young_spare = [signing("a", at(-91 * DAY)), published("b", at(-DAY + 60))];
    let ready_at = at(60);
    assert_eq!(spare_ready_at(&young_spare, &schedule()), Some(ready_at));
    assert_eq!(access_due(&young_spare, just_before(ready_at)), []);
    assert_eq!(
        access_due(&young_spare, ready_at),
        [promote("b"), Step::CreateSpare]
    );
}

#[test]
fn b02_an_old_key_without_a_spare_signs_on_until_one_was_published() {
    assert_eq!(
        access_due(&[signing("a", at(-100 * DAY))], at(0)),
        [Step::CreateSpare]
    );
    assert_eq!(spare_ready_at(&[signing("a", at(0))], &schedule()), None);
}

#[test]
fn b02_a_retired_key_stays_until_what_it_signed_has_ended() {
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
fn b03_the_spare_takes_over_at_once_where_the_signing_key_was_lost() {
    // However young it is: verifiers that have it go on, the others fetch.
    let keys = [published("b", at(0)), retiring("a", at(0))];
    assert_eq!(access_due(&keys, at(0)), [promote("b"), Step::CreateSpare]);
    assert_eq!(
        access_due(&keys, at(3610)),
        [remove("a"), promote("b"), Step::CreateSpare]
    );
    assert_eq!(
        access_due(&keys[1..], at(0)),
        [Step::CreateSigning, Step::CreateSpare]
    );
    assert_eq!(mac_due(&[mac(published("b", at(0)))], at(0)), [promote("b")]);
}

#[test]
fn b02_a_change_of_algorithm_goes_by_way_of_a_new_spare() {
    // 1. The spare of the old algorithm will never sign.
    let keys = [es256(signing("a", at(-DAY))), es256(published("b", at(-DAY)))];
    assert_eq!(access_due(&keys, at(0)), [remove("b"), Step::CreateSpare]);
    // 2. The new one waits until verifiers have it, however young the signing key is.
    let keys = [es256(signing("a", at(-DAY))), published("c", at(0))];
    assert_eq!(access_due(&keys, just_before(at(DAY))), []);
    assert_eq!(access_due(&keys, at(DAY)), [promote("c"), Step::CreateSpare]);
    // 3. A spare of another algorithm beside the right signing key goes as well.
    let keys = [signing("a", at(-DAY)), es256(published("b", at(-DAY)))];
    assert_eq!(access_due(&keys, at(0)), [remove("b"), Step::CreateSpare]);
    // Until there is a new spare the old key signs on.
    assert_eq!(
        access_due(&[es256(signing("a", at(-DAY)))], at(0)),
        [Step::CreateSpare]
    );
}

#[test]
fn e12_a_mac_key_is_replaced_at_its_age_at_once() {
    let key = [mac(signing("a", at(-90 * DAY)))];
    assert_eq!(mac_due(&key, just_before(at(0))), []);
    assert_eq!(mac_due(&key, at(0)), [Step::CreateSigning]);
}

#[test]
fn b03_the_longest_published_spare_is_the_spare() {
    let keys = [
        retiring("r", at(-5)),
        signing("s", at(-4)),
        published("late", at(-1)),
        published("b", at(-2)),
        published("a", at(-2)),
        mac(published("mac", at(-9))),
    ];
    assert_eq!(spare(&keys, ACCESS).unwrap().kid, "a");
    assert_eq!(spare(&keys, REFRESH).unwrap().kid, "mac");
    assert_eq!(spare(&keys[..2], ACCESS), None);
    assert_eq!(spare_ready_at(&keys, &schedule()), Some(at(-2 + DAY)));
    let states: Vec<KeyState> = keys.iter().map(StoredKey::state).collect();
    assert_eq!(
        states[..3],
        [KeyState::Retiring, KeyState::Signing, KeyState::Published]
    );
    // A spare that was withdrawn before it ever signed retires like any other.
    let withdrawn = StoredKey {
        retired_at: Some(at(0)),
        ..published("w", at(-2))
    };
    assert_eq!(withdrawn.state(), KeyState::Retiring);
}

#[test]
fn purposes_are_read_back_from_their_words() {
    for (purpose, word) in [(ACCESS, "access_token"), (REFRESH, "refresh_token")] {
        assert_eq!(purpose.as_str(), word);
        assert_eq!(Purpose::parse(word), Some(purpose));
    }
    assert_eq!(Purpose::parse("Access_Token"), None);
}

/// Does what a step says, as the store does.
fn apply(keys: &mut Vec<StoredKey>, step: Step, number: usize, now: Timestamp) {
    let retire = |keys: &mut Vec<StoredKey>| {
        for key in keys.iter_mut().filter(|key| key.state() == KeyState::Signing) {
            key.retired_at = Some(now);
        }
    };
    match step {
        Step::CreateSigning => {
            retire(keys);
            keys.push(signing(&number.to_string(), now));
        }
        Step::CreateSpare => keys.push(published(&number.to_string(), now)),
        Step::Promote(kid) => {
            retire(keys);
            let key = keys.iter_mut().find(|key| key.kid == kid).unwrap();
            key.signing_since = Some(now);
        }
        Step::Remove(kid) => keys.retain(|key| key.kid != kid),
    }
}

proptest! {
    /// A verifier that fetched the set a day ago has the key that signs now, and a token of the last hour is
    /// of a key that is still published: whenever the steps are taken, as long as they are taken.
    #[test]
    fn b02_a_verifier_with_yesterdays_keys_misses_nothing(gaps in proptest::collection::vec(1_i64..600, 1..800)) {
        let quick = Schedule { rotate_after: SignedDuration::from_hours(48), ..schedule() };
        let mut keys = Vec::new();
        let (mut number, mut time) = (0, 0);
        // What was published and what signed, at each turn.
        let mut history: Vec<(i64, Vec<String>, String)> = Vec::new();
        for gap in gaps {
            time += gap * 60;
            for step in due(&keys, ACCESS, &quick, at(time)) {
                number += 1;
                apply(&mut keys, step, number, at(time));
            }
            prop_assert_eq!(due(&keys, ACCESS, &quick, at(time)), [], "one turn suffices");
            let current: Vec<&StoredKey> = keys.iter().filter(|key| key.state() == KeyState::Signing).collect();
            prop_assert_eq!(current.len(), 1);
            prop_assert!(spare(&keys, ACCESS).is_some() && keys.len() <= 4);
            let published: Vec<String> = keys.iter().map(|key| key.kid.clone()).collect();
            history.push((time, published.clone(), current[0].kid.clone()));
            if let Some((_, yesterday, _)) = history.iter().rev().find(|(at, ..)| time - at >= DAY) {
                prop_assert!(yesterday.contains(&current[0].kid));
            }
            for (at, _, kid) in history.iter().rev().take_while(|(at, ..)| time - at < 3600) {
                prop_assert!(published.contains(kid), "{kid} signed at {at} and is gone");
            }
        }
    }
}
