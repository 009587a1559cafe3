//! Rotation of refresh tokens: every branch of the rules, on the current row, in one step.

use std::sync::Arc;

use tm_auth_core::Refusal;
use tm_auth_core::secret::SessionSecret;

use super::given::{
    ADDRESS, LIFETIMES, account, at, audit_context, audited, key, new_key, new_session, open, presented,
    register, rotate, rotation, session,
};
use crate::{AuditAction, Change, KeyChange, NewApiKey, Revocation, Revoked, Rotation, RotationKind, Store};

super::table!("rotation":
    e01_the_newest_token_is_rotated,
    e03_the_parent_gets_the_same_successor_within_the_grace_period,
    e04_the_parent_gets_three_new_successors_after_the_grace_period,
    e02_a_token_older_than_the_parent_ends_this_session_alone,
    e05_a_token_older_than_the_parent_ends_nothing_within_the_grace_period,
    e19_a_token_exchanged_within_the_grace_period_gets_the_newest_one,
    e19_threads_that_refresh_and_repeat_in_any_order_are_never_refused,
    e20_a_repeat_is_foreseen_without_a_change,
    q08_the_end_by_reuse_is_reported_once,
    fifty_concurrent_refreshes_get_one_successor,
    e09_idle_and_absolute_timeouts_are_reported_as_expiry,
    e12_a_wrong_secret_is_refused_and_ends_nothing,
    e12_a_counter_from_the_future_is_fast_forwarded_and_audited,
    refusals_are_reported_in_their_order,
    the_rules_apply_to_the_current_key,
    the_next_token_uses_the_current_mac_key,
    all_sessions_can_be_ended_with_a_restore,
);

async fn e01_the_newest_token_is_rotated(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    for (counter, seconds) in [(0, 10), (1, 1000), (2, 1001)] {
        let rotated = rotate(store, rotation(new.sid, &secret, counter, seconds))
            .await
            .unwrap();
        assert_eq!((rotated.kind, &rotated.key), (RotationKind::Rotated, &key));
        let family = rotated.session.family;
        assert_eq!(
            (family.current, family.parent, family.reissue_count),
            (counter + 1, Some(counter), 0)
        );
        assert_eq!(family.rotated_at, at(seconds));
        assert_eq!(
            (rotated.session.sid, rotated.session.key_id),
            (new.sid, key.key_id)
        );
        assert_eq!(
            (rotated.session.opened_at, rotated.session.expires_at),
            (new.opened_at, new.expires_at)
        );
        assert_eq!(rotated.session.ended, None);
    }
}

async fn e03_the_parent_gets_the_same_successor_within_the_grace_period(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let first = rotate(store, rotation(new.sid, &secret, 0, 10)).await.unwrap();
    for seconds in [10, 50, 100] {
        let again = rotate(store, rotation(new.sid, &secret, 0, seconds))
            .await
            .unwrap();
        assert_eq!(
            (again.kind, &again.session),
            (RotationKind::Repeated, &first.session)
        );
    }
    // Under a newer MAC key the parent still gets the same successor.
    let newer = Rotation {
        mac_kid: "mac-2".to_owned(),
        ..rotation(new.sid, &secret, 0, 100)
    };
    assert_eq!(rotate(store, newer).await.unwrap().session, first.session);
}

async fn e04_the_parent_gets_three_new_successors_after_the_grace_period(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    rotate(store, rotation(new.sid, &secret, 0, 0)).await.unwrap();
    for time in 1..=3 {
        let seconds = time * 91;
        let reissued = rotate(store, rotation(new.sid, &secret, 0, seconds))
            .await
            .unwrap();
        let family = reissued.session.family;
        assert_eq!(reissued.kind, RotationKind::Reissued);
        assert_eq!(
            (family.current, family.parent, family.reissue_count),
            (1 + time, Some(0), time)
        );
        assert_eq!(family.rotated_at, at(seconds));
    }
    let fourth = rotate(store, rotation(new.sid, &secret, 0, 4 * 91)).await;
    assert_eq!(fourth, Err(Refusal::RefreshReused));
    assert_eq!(audited(store, AuditAction::RefreshReused).await, 1);
}

async fn e02_a_token_older_than_the_parent_ends_this_session_alone(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let (other, secret_of_other) = session(store, &key).await;
    for counter in 0..2 {
        rotate(store, rotation(new.sid, &secret, counter, counter))
            .await
            .unwrap();
    }
    let before = store.changes(0).await.unwrap().latest;
    let reused = rotate(store, rotation(new.sid, &secret, 0, 92)).await;
    assert_eq!(reused, Err(Refusal::RefreshReused));

    // The same step ends the session, adds it to the revocation list, announces the change to the
    // other nodes and audits the reuse.
    assert_eq!(
        rotate(store, rotation(new.sid, &secret, 2, 93)).await,
        Err(Refusal::RefreshReused)
    );
    let entry = Revocation {
        revoked: Revoked::Session(new.sid),
        at: at(92),
    };
    assert_eq!(store.revocations(at(0)).await.unwrap(), [entry]);
    let changes = store.changes(before).await.unwrap().changes.unwrap();
    assert_eq!(changes, [Change::Revocations]);
    let trail = store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(trail[0].action, AuditAction::RefreshReused);
    assert_eq!((trail[0].key_id, trail[0].sid), (Some(key.key_id), Some(new.sid)));
    assert_eq!(
        (trail[0].audit_context.at, trail[0].audit_context.ip),
        (at(92), Some(ADDRESS))
    );
    // E18: repeated reuse is one event.
    for seconds in 94..120 {
        rotate(store, rotation(new.sid, &secret, 0, seconds))
            .await
            .unwrap_err();
    }
    assert_eq!(audited(store, AuditAction::RefreshReused).await, 1);
    // The key and its other sessions stay live.
    assert!(
        rotate(store, rotation(other.sid, &secret_of_other, 0, 94))
            .await
            .is_ok()
    );
    assert!(open(store, &new_session(&key, 94).0).await == crate::OpenOutcome::Opened);
}

async fn e05_a_token_older_than_the_parent_ends_nothing_within_the_grace_period(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    for counter in 0..2 {
        rotate(store, rotation(new.sid, &secret, counter, counter))
            .await
            .unwrap();
    }
    let superseded = rotate(store, rotation(new.sid, &secret, 0, 91)).await;
    assert_eq!(superseded, Err(Refusal::RefreshSuperseded));
    assert!(rotate(store, rotation(new.sid, &secret, 2, 92)).await.is_ok());
    assert!(store.revocations(at(0)).await.unwrap().is_empty());
}

async fn e19_a_token_exchanged_within_the_grace_period_gets_the_newest_one(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let mut newest = None;
    for counter in 0..5 {
        newest = Some(
            rotate(store, rotation(new.sid, &secret, counter, 100 + counter))
                .await
                .unwrap(),
        );
    }
    let newest = newest.unwrap().session;
    for counter in 0..5 {
        for seconds in [105, 190] {
            let again = rotate(store, rotation(new.sid, &secret, counter, seconds))
                .await
                .unwrap();
            assert_eq!((again.kind, &again.session), (RotationKind::Repeated, &newest));
        }
    }
    // The burst outlives neither the grace period nor an invalidated token.
    assert_eq!(
        rotate(store, rotation(new.sid, &secret, 3, 191)).await,
        Err(Refusal::RefreshSuperseded)
    );
    rotate(store, rotation(new.sid, &secret, 4, 195)).await.unwrap();
    rotate(store, rotation(new.sid, &secret, 6, 196)).await.unwrap();
    for counter in [3, 4, 5] {
        assert_eq!(
            rotate(store, rotation(new.sid, &secret, counter, 197)).await,
            Err(Refusal::RefreshSuperseded)
        );
    }
}

/// Each of the threads has the token that was the newest when it started, and presents it while the
/// others refresh.
async fn e19_threads_that_refresh_and_repeat_in_any_order_are_never_refused(store: &Arc<Store>) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    for generation in 0..10 {
        let mut threads = tokio::task::JoinSet::new();
        for counter in (0..=generation).cycle().take(50) {
            let (store, rotation) = (Arc::clone(store), rotation(new.sid, &secret, counter, generation));
            threads.spawn(async move { rotate(&store, rotation).await.unwrap() });
        }
        let rotated = threads.join_all().await;
        let issued = |kind| rotated.iter().filter(move |rotated| rotated.kind == kind);
        assert_eq!(issued(RotationKind::Rotated).count(), 1);
        let newest = issued(RotationKind::Rotated)
            .next()
            .unwrap()
            .session
            .family
            .current;
        assert_eq!(newest, generation + 1);
        // A thread that came before the rotation got the token that was the newest then.
        let known = [newest - 1, newest];
        assert!(
            issued(RotationKind::Repeated).all(|rotated| known.contains(&rotated.session.family.current))
        );
    }
    assert_eq!(audited(store, AuditAction::RefreshReused).await, 0);
}

async fn e20_a_repeat_is_foreseen_without_a_change(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    for counter in 0..3 {
        rotate(store, rotation(new.sid, &secret, counter, counter))
            .await
            .unwrap();
    }
    let foreseen = async |secret, counter, seconds| {
        let presented = presented(new.sid, secret, counter);
        let repeat = store.would_repeat(presented, at(seconds), LIFETIMES.reuse_grace);
        repeat.await.unwrap()
    };
    for (counter, seconds, expected) in [
        (0, 90, true),
        (1, 90, true),
        (2, 92, true),
        (3, 10, false),
        (4, 10, false),
        (0, 91, false),
        (2, 93, false),
        (-1, 10, false),
    ] {
        assert_eq!(
            foreseen(&secret, counter, seconds).await,
            expected,
            "{counter} {seconds}"
        );
    }
    let wrong = SessionSecret::new([0; 16]);
    assert!(!foreseen(&wrong, 0, 10).await);
    let (unknown, secret_of_unknown) = new_session(&key, 0);
    let presented_of_unknown = presented(unknown.sid, &secret_of_unknown, 0);
    let repeat = store.would_repeat(presented_of_unknown, at(1), LIFETIMES.reuse_grace);
    assert!(!repeat.await.unwrap());
    let again = rotate(store, rotation(new.sid, &secret, 3, 10)).await.unwrap();
    assert_eq!(again.kind, RotationKind::Rotated, "nothing was changed");
    let presented_now = presented(new.sid, &secret, 0);
    assert!(
        store
            .end_session(presented_now, &audit_context(11))
            .await
            .unwrap()
    );
    assert!(!foreseen(&secret, 0, 11).await);
}

async fn q08_the_end_by_reuse_is_reported_once(store: &Arc<Store>) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    for counter in 0..2 {
        rotate(store, rotation(new.sid, &secret, counter, counter))
            .await
            .unwrap();
    }
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, rotation) = (Arc::clone(store), rotation(new.sid, &secret, 0, 92));
        callers.spawn(async move { store.rotate_session(rotation).await.unwrap().unwrap_err() });
    }
    let refused = callers.join_all().await;
    assert!(
        refused
            .iter()
            .all(|refused| refused.refusal == Refusal::RefreshReused)
    );
    assert_eq!(refused.iter().filter(|refused| refused.ended_session).count(), 1);
    // A day later the list of revocations has forgotten the session, and its row has not.
    for counter in 0..3 {
        let late = store
            .rotate_session(rotation(new.sid, &secret, counter, 26 * 3600))
            .await;
        assert_eq!(late.unwrap(), Err(Refusal::RefreshReused.into()));
    }
    assert_eq!(audited(store, AuditAction::RefreshReused).await, 1);
}

async fn fifty_concurrent_refreshes_get_one_successor(store: &Arc<Store>) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    for generation in 0..5 {
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (store, rotation) = (
                Arc::clone(store),
                rotation(new.sid, &secret, generation, generation),
            );
            racers.spawn(async move { rotate(&store, rotation).await.unwrap() });
        }
        let all = racers.join_all().await;
        assert!(all.iter().all(|rotated| rotated.session == all[0].session));
        assert_eq!(all[0].session.family.current, generation + 1);
        assert_eq!(
            all.iter()
                .filter(|rotated| rotated.kind == RotationKind::Rotated)
                .count(),
            1
        );
    }
}

async fn e09_idle_and_absolute_timeouts_are_reported_as_expiry(store: &Store) {
    let key = key(store).await;
    let (idle, secret) = session(store, &key).await;
    let end = LIFETIMES.idle.as_secs();
    assert_eq!(
        rotate(store, rotation(idle.sid, &secret, 0, end)).await,
        Err(Refusal::SessionExpired)
    );
    assert!(
        rotate(store, rotation(idle.sid, &secret, 0, end - 1))
            .await
            .is_ok()
    );
    let (mut short, secret) = new_session(&key, 0);
    short.expires_at = at(60);
    open(store, &short).await;
    assert!(rotate(store, rotation(short.sid, &secret, 0, 59)).await.is_ok());
    assert_eq!(
        rotate(store, rotation(short.sid, &secret, 1, 60)).await,
        Err(Refusal::SessionExpired)
    );
    // A missing row, for example a deleted one, is not treated as reuse.
    let (unknown, secret) = new_session(&key, 0);
    assert_eq!(
        rotate(store, rotation(unknown.sid, &secret, 0, 1)).await,
        Err(Refusal::SessionExpired)
    );
    assert_eq!(audited(store, AuditAction::RefreshReused).await, 0);
}

async fn e12_a_wrong_secret_is_refused_and_ends_nothing(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let (_, of_another) = session(store, &key).await;
    for counter in [0, 1, 99, -1] {
        for wrong in [&of_another, &SessionSecret::new([0; 16])] {
            let refused = rotate(store, rotation(new.sid, wrong, counter, 500)).await;
            assert_eq!(refused, Err(Refusal::InvalidRefreshToken));
        }
    }
    let rotated = rotate(store, rotation(new.sid, &secret, 0, 501)).await.unwrap();
    assert_eq!(rotated.kind, RotationKind::Rotated);
}

async fn e12_a_counter_from_the_future_is_fast_forwarded_and_audited(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let ahead = rotate(store, rotation(new.sid, &secret, 41, 10)).await.unwrap();
    assert_eq!(ahead.kind, RotationKind::FastForwarded);
    assert_eq!(
        (ahead.session.family.current, ahead.session.family.parent),
        (42, Some(41))
    );
    assert_eq!(audited(store, AuditAction::SessionFastForwarded).await, 1);
    let next = rotate(store, rotation(new.sid, &secret, 42, 11)).await.unwrap();
    assert_eq!(
        (next.kind, next.session.family.current),
        (RotationKind::Rotated, 43)
    );
}

/// If several checks fail, the reported refusal reveals least to a stranger. Among those, it helps
/// the owner most.
async fn refusals_are_reported_in_their_order(store: &Store) {
    let account = account(store).await;
    let restricted = NewApiKey {
        allowed_ips: vec!["203.0.113.0/24".parse().unwrap()],
        expires_at: Some(at(1000)),
        ..new_key(&account)
    };
    let key = register(store, restricted).await;
    let (mut new, secret) = new_session(&key, 0);
    new.expires_at = at(500);
    open(store, &new).await;
    let refusal = async |seconds| {
        rotate(store, rotation(new.sid, &secret, 0, seconds))
            .await
            .unwrap_err()
    };

    assert_eq!(
        refusal(600).await,
        Refusal::IpNotAllowed { seen: ADDRESS },
        "the address is checked before the session's expiry"
    );
    store
        .set_account_disabled(account.uid, Some(at(1)), &audit_context(1))
        .await
        .unwrap();
    assert_eq!(
        refusal(600).await,
        Refusal::AccountDisabled,
        "the account is checked before the address"
    );
    assert_eq!(
        refusal(1000).await,
        Refusal::KeyExpired,
        "the key's expiry is checked before the account"
    );
    store
        .revoke_key(account.uid, key.key_id, &audit_context(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        refusal(1000).await,
        Refusal::KeyRevoked,
        "a revocation is checked before the expiry"
    );
    assert!(
        store
            .end_session(presented(new.sid, &secret, 0), &audit_context(3))
            .await
            .unwrap()
    );
    assert_eq!(
        refusal(1000).await,
        Refusal::SessionEnded,
        "the session is checked before the key"
    );
    let stranger = rotation(new.sid, &SessionSecret::new([0xaa; 16]), 0, 1000);
    assert_eq!(
        rotate(store, stranger).await,
        Err(Refusal::InvalidRefreshToken),
        "the secret is checked first"
    );
}

async fn the_rules_apply_to_the_current_key(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let change = KeyChange {
        scopes: Some("read".parse::<tm_auth_proto::Scope>().into_iter().collect()),
        allowed_ips: Some(vec!["192.0.2.0/24".parse().unwrap()]),
        ..KeyChange::default()
    };
    let changed = store
        .update_key(key.account.uid, key.key_id, change, &audit_context(1))
        .await
        .unwrap()
        .unwrap()
        .row;
    assert_eq!(
        rotate(store, rotation(new.sid, &secret, 0, 2)).await.unwrap().key,
        changed
    );
    let seen = "198.51.100.1".parse().unwrap();
    let elsewhere = Rotation {
        address: seen,
        ..rotation(new.sid, &secret, 1, 3)
    };
    assert_eq!(
        rotate(store, elsewhere).await,
        Err(Refusal::IpNotAllowed { seen })
    );
}

async fn the_next_token_uses_the_current_mac_key(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let newer = Rotation {
        mac_kid: "mac-2".to_owned(),
        ..rotation(new.sid, &secret, 0, 1)
    };
    assert_eq!(rotate(store, newer).await.unwrap().session.mac_kid, "mac-2");
    let repeated = rotate(store, rotation(new.sid, &secret, 0, 2)).await.unwrap();
    assert_eq!(repeated.session.mac_kid, "mac-2");
}

async fn all_sessions_can_be_ended_with_a_restore(store: &Store) {
    let key = key(store).await;
    let (first, secret) = session(store, &key).await;
    session(store, &key).await;
    let (mut over, _) = new_session(&key, 0);
    over.expires_at = at(10);
    open(store, &over).await;
    let (ended, secret_of_ended) = session(store, &key).await;
    store
        .end_session(presented(ended.sid, &secret_of_ended, 0), &audit_context(1))
        .await
        .unwrap();
    assert_eq!(
        store
            .mark_recovered(at(10), true, &audit_context(10))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        rotate(store, rotation(first.sid, &secret, 0, 11)).await,
        Err(Refusal::SessionEnded)
    );
    let everything = Revocation {
        revoked: Revoked::Everything,
        at: at(10),
    };
    assert!(store.revocations(at(10)).await.unwrap().contains(&everything));
    // The key can open a new session.
    assert_eq!(
        open(store, &new_session(&key, 10).0).await,
        crate::OpenOutcome::Opened
    );
}
