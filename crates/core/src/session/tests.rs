use std::sync::Arc;

use super::*;
use crate::sample::{
    HERE, LIFETIMES, NOW, address, at, deactivate, disable, just_before, key, pair, revoke, signed,
};

fn randomness() -> OpenRandomness {
    OpenRandomness {
        secret: SessionSecret::new([0x11; 16]),
        open_nonce: [0x22; 16],
    }
}

/// Opens a session `seconds` after the challenge, for a key that expires at `end`.
fn open_at(end: Option<Timestamp>, seconds: i64) -> (Arc<ApiKey>, NewSession) {
    let pair = pair();
    let key = Arc::new(ApiKey {
        expires_at: end,
        ..key(&pair)
    });
    let authenticated = key
        .verify_challenge(signed(&pair, key.key_id), address(), at(seconds))
        .unwrap();
    let new = open(
        &authenticated,
        &randomness(),
        "mac-1",
        HERE,
        &LIFETIMES,
        at(seconds),
    );
    (key, new)
}

/// A session opened at [`NOW`], and its key.
fn session() -> (ApiKey, Session) {
    let (key, new) = open_at(None, 0);
    (Arc::unwrap_or_clone(key), new.stored())
}

#[test]
fn d01_a_session_has_the_key_and_the_row_versions_that_were_judged() {
    let (key, new) = open_at(None, 5);
    assert_eq!((new.key_id, new.uid), (key.key_id, key.account.uid));
    assert_eq!((new.key_version, new.account_version), (3, 7));
    assert_eq!(new.open_nonce, [0x22; 16]);
    assert_eq!(new.mac_kid, "mac-1");
    assert_eq!(new.secret_hash, SessionSecret::new([0x11; 16]).hash());
    assert_eq!((new.challenge_at, new.opened_at), (at(0), at(5)));
    assert_eq!(new.sid.0.as_bytes()[..5], NOW.to_be_bytes()[3..]);
    assert_eq!(
        new.stored(),
        Session {
            sid: new.sid,
            key_id: key.key_id,
            secret_hash: new.secret_hash,
            family: TokenFamily::start(at(5)),
            mac_kid: "mac-1".into(),
            opened_at: at(5),
            expires_at: new.expires_at,
            ended: None,
        }
    );
}

#[test]
fn e09_a_session_expires_with_its_key_or_after_its_absolute_lifetime() {
    let longest = at(5) + LIFETIMES.absolute;
    let second = SignedDuration::from_secs(1);
    for (key_end, end) in [
        (None, longest),
        (Some(longest + second), longest),
        (Some(longest), longest),
        (Some(longest - second), longest - second),
        (Some(at(6)), at(6)),
    ] {
        assert_eq!(open_at(key_end, 5).1.expires_at, end, "{key_end:?}");
    }
}

#[test]
fn e09_an_idle_session_expires() {
    let (key, mut session) = session();
    session.family.rotated_at = at(100);
    let end = at(100) + LIFETIMES.idle;
    assert_eq!(session.idle_expires_at(&LIFETIMES), end);
    assert_eq!(
        session.check_usable(&key, address(), &LIFETIMES, just_before(end)),
        Ok(())
    );
    assert_eq!(
        session.check_usable(&key, address(), &LIFETIMES, end),
        Err(Refusal::SessionExpired)
    );
}

#[test]
fn e09_a_refreshed_session_expires_at_its_absolute_end() {
    let (key, mut session) = session();
    let end = session.expires_at;
    session.family.rotated_at = just_before(end);
    assert_eq!(session.idle_expires_at(&LIFETIMES), end);
    assert_eq!(
        session.check_usable(&key, address(), &LIFETIMES, just_before(end)),
        Ok(())
    );
    assert_eq!(
        session.check_usable(&key, address(), &LIFETIMES, end),
        Err(Refusal::SessionExpired)
    );
}

#[test]
fn e02_e10_the_end_of_a_session_is_reported_before_other_problems() {
    for (reason, refusal) in [
        (EndReason::Reused, Refusal::RefreshReused),
        (EndReason::Revoked, Refusal::SessionEnded),
        (EndReason::Operator, Refusal::SessionEnded),
    ] {
        let (mut key, mut session) = session();
        session.ended = Some((at(1), reason));
        assert_eq!(
            session.check_usable(&key, address(), &LIFETIMES, at(2)),
            Err(refusal.clone())
        );
        revoke(&mut key);
        let late = session.expires_at;
        assert_eq!(
            session.check_usable(&key, address(), &LIFETIMES, late),
            Err(refusal)
        );
    }
}

#[test]
fn e10_a_refresh_requires_a_usable_key_and_account() {
    type Change = fn(&mut ApiKey);
    let cases: [(Change, Refusal); 6] = [
        (revoke, Refusal::KeyRevoked),
        (|key| key.expires_at = Some(at(2)), Refusal::KeyExpired),
        (deactivate, Refusal::KeyPending),
        (disable, Refusal::KeyDisabled),
        (
            |key| key.account.disabled_at = Some(at(1)),
            Refusal::AccountDisabled,
        ),
        (
            |key| key.allowed_ips = vec!["198.51.100.0/24".parse().unwrap()],
            Refusal::IpNotAllowed { seen: address() },
        ),
    ];
    for (change, refusal) in cases {
        let (mut key, session) = session();
        assert_eq!(session.check_usable(&key, address(), &LIFETIMES, at(2)), Ok(()));
        change(&mut key);
        assert_eq!(
            session.check_usable(&key, address(), &LIFETIMES, at(2)),
            Err(refusal.clone())
        );
        // The key's state is reported even if the session has expired: minting again would not
        // help.
        let late = session.expires_at;
        assert_eq!(
            session.check_usable(&key, address(), &LIFETIMES, late),
            Err(refusal)
        );
    }
}

#[test]
fn end_reasons_parse_back_from_their_names() {
    for (reason, word) in [
        (EndReason::Reused, "reused"),
        (EndReason::Revoked, "revoked"),
        (EndReason::Operator, "operator"),
    ] {
        assert_eq!(reason.as_str(), word);
        assert_eq!(EndReason::parse(word), Some(reason));
    }
    assert_eq!(EndReason::parse("Reused"), None);
    assert_eq!(EndReason::parse(""), None);
}
