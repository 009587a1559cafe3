//! Sessions: opened once per challenge, and only if key and account did not change since.

use std::sync::Arc;

use tm_auth_core::Refusal;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::NewSession;

use super::given::{
    at, audit_context, audited, key, new_session, open, presented, rotate, rotation, session,
};
use crate::{AuditAction, Change, OpenOutcome, Revocation, Revoked, RotationKind, Store};

super::table!("sessions":
    d09_a_challenge_opens_one_session_and_its_own_retry_succeeds,
    d09_one_of_a_hundred_concurrent_replays_opens_a_session,
    d09_fifty_concurrent_retries_of_one_mint_all_succeed,
    a_replay_is_reported_even_after_the_key_was_revoked,
    an_outdated_decision_opens_nothing,
    a_challenge_older_than_the_restore_opens_nothing,
    any_token_of_a_session_ends_it,
    without_its_secret_no_session_is_ended,
);

async fn d09_a_challenge_opens_one_session_and_its_own_retry_succeeds(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    assert_eq!(
        open(store, &new).await,
        OpenOutcome::Opened,
        "a retry of the same call succeeds"
    );
    let replay = NewSession {
        open_nonce: [0xaa; 16],
        secret_hash: SessionSecret::new([0xaa; 16]).hash(),
        ..new.clone()
    };
    assert_eq!(open(store, &replay).await, OpenOutcome::Replayed);
    // The replay changed nothing: the session has the first secret.
    assert!(rotate(store, rotation(new.sid, &secret, 0, 1)).await.is_ok());
    assert_eq!(open(store, &replay).await, OpenOutcome::Replayed);
    assert_eq!(
        open(store, &new).await,
        OpenOutcome::Opened,
        "a retry succeeds even after a refresh"
    );
}

async fn d09_one_of_a_hundred_concurrent_replays_opens_a_session(store: &Arc<Store>) {
    let key = key(store).await;
    let (new, _) = new_session(&key, 0);
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..100_u8 {
        let (store, new) = (
            Arc::clone(store),
            NewSession {
                open_nonce: [racer; 16],
                ..new.clone()
            },
        );
        racers.spawn(async move { store.open_session(new).await.unwrap() });
    }
    let outcomes = racers.join_all().await;
    let count = |of| outcomes.iter().filter(|outcome| **outcome == of).count();
    assert_eq!(
        (count(OpenOutcome::Opened), count(OpenOutcome::Replayed)),
        (1, 99)
    );
}

async fn d09_fifty_concurrent_retries_of_one_mint_all_succeed(store: &Arc<Store>) {
    let key = key(store).await;
    let (new, _) = new_session(&key, 0);
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, new) = (Arc::clone(store), new.clone());
        racers.spawn(async move { store.open_session(new).await.unwrap() });
    }
    assert!(
        racers
            .join_all()
            .await
            .iter()
            .all(|outcome| *outcome == OpenOutcome::Opened)
    );
}

async fn a_replay_is_reported_even_after_the_key_was_revoked(store: &Store) {
    let key = key(store).await;
    let (new, _) = session(store, &key).await;
    store
        .revoke_key(key.account.uid, key.key_id, &audit_context(1))
        .await
        .unwrap()
        .unwrap();
    let replay = NewSession {
        open_nonce: [0xaa; 16],
        ..new.clone()
    };
    assert_eq!(open(store, &replay).await, OpenOutcome::Replayed);
    // The first attempt committed before the revocation, so its retry succeeds.
    assert_eq!(open(store, &new).await, OpenOutcome::Opened);
}

async fn an_outdated_decision_opens_nothing(store: &Store) {
    let key = key(store).await;
    let (new, secret) = new_session(&key, 0);
    for outdated in [
        NewSession {
            key_version: new.key_version - 1,
            ..new.clone()
        },
        NewSession {
            key_version: new.key_version + 1,
            ..new.clone()
        },
        NewSession {
            account_version: new.account_version - 1,
            ..new.clone()
        },
        NewSession {
            account_version: new.account_version + 1,
            ..new.clone()
        },
        NewSession {
            key_id: super::given::fresh_key_id(),
            ..new.clone()
        },
    ] {
        assert_eq!(open(store, &outdated).await, OpenOutcome::Changed);
    }
    assert_eq!(
        rotate(store, rotation(new.sid, &secret, 0, 1)).await,
        Err(Refusal::SessionExpired),
        "no session was opened"
    );
    assert_eq!(
        open(store, &new).await,
        OpenOutcome::Opened,
        "the challenge is not used up"
    );
}

async fn a_challenge_older_than_the_restore_opens_nothing(store: &Store) {
    let key = key(store).await;
    let (kept, secret) = session(store, &key).await;
    assert_eq!(
        store
            .mark_recovered(at(100), false, &audit_context(100))
            .await
            .unwrap(),
        0
    );
    // Its session may be among the lost commits, so it cannot be distinguished from a replay.
    assert_eq!(
        open(store, &new_session(&key, 99).0).await,
        OpenOutcome::BeforeRecovery
    );
    assert_eq!(open(store, &new_session(&key, 100).0).await, OpenOutcome::Opened);
    let replay = NewSession {
        open_nonce: [0xaa; 16],
        ..kept.clone()
    };
    assert_eq!(open(store, &replay).await, OpenOutcome::Replayed);
    // Sessions in the backup continue, even with a newer token.
    let ahead = rotate(store, rotation(kept.sid, &secret, 7, 101)).await.unwrap();
    assert_eq!(
        (ahead.kind, ahead.session.family.current),
        (RotationKind::FastForwarded, 8)
    );
    assert_eq!(audited(store, AuditAction::SessionFastForwarded).await, 1);
    assert_eq!(audited(store, AuditAction::DatabaseRecovered).await, 1);
}

async fn any_token_of_a_session_ends_it(store: &Store) {
    let key = key(store).await;
    for counter in [0, 1, 9] {
        let (new, secret) = new_session(&key, counter);
        open(store, &new).await;
        rotate(store, rotation(new.sid, &secret, 0, 10)).await.unwrap();
        let before = store.changes(0).await.unwrap().latest;
        assert!(
            store
                .end_session(presented(new.sid, &secret, counter), &audit_context(20))
                .await
                .unwrap()
        );
        for presented in [0, 1] {
            let refused = rotate(store, rotation(new.sid, &secret, presented, 21)).await;
            assert_eq!(refused, Err(Refusal::SessionEnded));
        }
        let entry = Revocation {
            revoked: Revoked::Session(new.sid),
            at: at(20),
        };
        assert!(store.revocations(at(20)).await.unwrap().contains(&entry));
        let changes = store.changes(before).await.unwrap().changes.unwrap();
        assert!(changes.contains(&Change::Revocations));
        // The second call finds no live session.
        assert!(
            !store
                .end_session(presented(new.sid, &secret, 1), &audit_context(30))
                .await
                .unwrap()
        );
    }
    assert_eq!(audited(store, AuditAction::SessionRevoked).await, 3);
    let trail = store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(trail[0].action, AuditAction::SessionRevoked);
    assert_eq!(trail[0].key_id, Some(key.key_id));
}

async fn without_its_secret_no_session_is_ended(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let wrong = SessionSecret::new([0xaa; 16]);
    assert!(
        !store
            .end_session(presented(new.sid, &wrong, 0), &audit_context(1))
            .await
            .unwrap()
    );
    let (unknown, secret_of_unknown) = new_session(&key, 5);
    assert!(
        !store
            .end_session(presented(unknown.sid, &secret_of_unknown, 0), &audit_context(1))
            .await
            .unwrap()
    );
    assert!(rotate(store, rotation(new.sid, &secret, 0, 2)).await.is_ok());
    assert!(store.revocations(at(0)).await.unwrap().is_empty());
}
