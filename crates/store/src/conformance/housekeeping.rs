//! Changes, the audit trail, retention, and the environment of a database.

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::Refusal;
use tm_auth_core::session::NewSession;
use tm_auth_proto::{AccountId, Environment};

use super::given::{
    RETENTION, account, at, audit_context, audited, fresh_uuid, key, new_key, new_session, open, presented,
    register, rotate, rotation, session,
};
use crate::{
    AuditAction, AuditContext, AuditEntry, Change, Changes, NewApiKey, OpenOutcome, Retention, Revocation,
    Revoked, Store, StoreError,
};

super::table!("housekeeping":
    a_database_belongs_to_one_environment,
    a_database_that_accepts_writes_answers_a_ping,
    an_audit_entry_is_stored_with_all_its_fields,
    changes_are_returned_once_and_in_order,
    a_gap_after_retention_is_reported_as_missed_changes,
    a_number_that_no_change_has_yet_means_missed_changes,
    d17_no_session_is_deleted_while_its_challenge_can_be_accepted,
    ended_sessions_are_swept_and_live_ones_stay,
    pending_keys_are_swept_after_a_day_and_free_their_public_key,
    revocations_and_audit_entries_are_swept_after_their_retention,
    r46_the_time_of_the_last_sweep_is_kept,
    the_session_table_shrinks_to_its_live_size_in_bounded_batches,
);

async fn a_database_belongs_to_one_environment(store: &Store) {
    store.bind_environment(Environment::Uat).await.unwrap();
    store.bind_environment(Environment::Uat).await.unwrap();
    let refused = store.bind_environment(Environment::Production).await;
    assert!(matches!(refused, Err(StoreError::Unusable(_))), "{refused:?}");
    store.bind_environment(Environment::Uat).await.unwrap();
}

async fn a_database_that_accepts_writes_answers_a_ping(store: &Store) {
    store.ping().await.unwrap();
    store.ping().await.unwrap();
}

async fn an_audit_entry_is_stored_with_all_its_fields(store: &Store) {
    let key = key(store).await;
    let full = AuditEntry {
        audit_context: AuditContext {
            at: at(7),
            actor: "ü\n\u{2028}".to_owned(),
            ip: Some("2001:db8::1".parse().unwrap()),
            request_id: Some("r".to_owned()),
        },
        action: AuditAction::LimitReached,
        uid: Some(key.account.uid),
        key_id: Some(key.key_id),
        sid: Some(new_session(&key, 0).0.sid),
        detail: Some("'; DROP TABLE audit; --".to_owned()),
    };
    let bare = AuditEntry {
        audit_context: AuditContext::service(at(8)),
        action: AuditAction::Unknown("noted_by_a_newer_version".into()),
        uid: None,
        key_id: None,
        sid: None,
        detail: None,
    };
    store.audit(vec![full.clone(), bare.clone()]).await.unwrap();
    store.audit(Vec::new()).await.unwrap();
    let text = |entries: &[AuditEntry]| format!("{entries:?}");
    let newest = store.audit_trail(None, 2).await.unwrap();
    assert_eq!(text(&newest), text(&[bare, full.clone()]), "newest first");
    let of_account = store.audit_trail(Some(key.account.uid), 1).await.unwrap();
    assert_eq!(text(&of_account), text(&[full]));
    let dummy = store
        .audit_trail(Some(AccountId(fresh_uuid())), 10)
        .await
        .unwrap();
    assert!(dummy.is_empty());
}

async fn changes_are_returned_once_and_in_order(store: &Store) {
    let nothing = Changes {
        latest: 0,
        changes: Some(vec![]),
        went_back: false,
    };
    assert_eq!(store.changes(0).await.unwrap(), nothing);
    let key = key(store).await;
    let start = store.changes(0).await.unwrap().latest;
    store
        .set_account_disabled(key.account.uid, Some(at(1)), &audit_context(1))
        .await
        .unwrap();
    store
        .revoke_key(key.account.uid, key.key_id, &audit_context(2))
        .await
        .unwrap()
        .unwrap();
    let told = store.changes(start).await.unwrap();
    let expected = [Change::Account(key.account.uid), Change::Key(key.key_id)];
    assert_eq!(told.changes.as_deref(), Some(expected.as_slice()));
    let later = store.changes(told.latest).await.unwrap();
    assert_eq!(
        later,
        Changes {
            latest: told.latest,
            changes: Some(vec![]),
            went_back: false,
        }
    );
}

async fn a_number_that_no_change_has_yet_means_missed_changes(store: &Store) {
    let newest = store.changes(0).await.unwrap().latest;
    let missed = Changes {
        latest: newest,
        changes: None,
        went_back: false,
    };
    assert_eq!(store.changes(newest + 1_000).await.unwrap(), missed);
}

async fn a_gap_after_retention_is_reported_as_missed_changes(store: &Store) {
    let revoke = async |seconds| {
        let entry = Revocation {
            revoked: Revoked::Everything,
            at: at(seconds),
        };
        store.revoke(entry, &audit_context(seconds)).await.unwrap();
        store.changes(0).await.unwrap().latest
    };
    let first = revoke(0).await;
    revoke(1).await;
    let newest = revoke(2).await;
    // More than an hour later the old changes are deleted. The newest stays, to detect a gap.
    sweep_all(store, at(3 * 3600), &RETENTION).await;
    assert_eq!(
        store.changes(first).await.unwrap(),
        Changes {
            latest: newest,
            changes: None,
            went_back: false,
        }
    );
    assert_eq!(store.changes(0).await.unwrap().changes, None);
    assert_eq!(store.changes(newest).await.unwrap().changes, Some(vec![]));
    let next = revoke(4 * 3600).await;
    assert!(next > newest);
    assert_eq!(
        store.changes(newest).await.unwrap().changes,
        Some(vec![Change::Revocations])
    );
}

async fn d17_no_session_is_deleted_while_its_challenge_can_be_accepted(store: &Store) {
    let key = key(store).await;
    let (new, secret) = session(store, &key).await;
    let replay = NewSession {
        open_nonce: [0xaa; 16],
        ..new.clone()
    };
    assert!(
        store
            .end_session(presented(new.sid, &secret, 0), &audit_context(0))
            .await
            .unwrap()
    );
    // All other retention periods are over. The clock stepped by hours.
    let eager = Retention {
        session: SignedDuration::ZERO,
        session_idle: SignedDuration::ZERO,
        ..RETENTION
    };
    for hours in [1, 25, 26] {
        sweep_all(store, at(0) + SignedDuration::from_hours(hours), &eager).await;
        assert_eq!(open(store, &replay).await, OpenOutcome::Replayed, "{hours} h");
    }
    sweep_all(store, at(26 * 3600 + 1), &eager).await;
    assert_eq!(
        rotate(store, rotation(new.sid, &secret, 0, 1)).await,
        Err(Refusal::SessionExpired)
    );
}

async fn ended_sessions_are_swept_and_live_ones_stay(store: &Store) {
    let key = key(store).await;
    let week = RETENTION.session.as_secs();
    let (ended, secret_of_ended) = session(store, &key).await;
    store
        .end_session(presented(ended.sid, &secret_of_ended, 0), &audit_context(0))
        .await
        .unwrap();
    let (mut expired, secret_of_expired) = new_session(&key, 1);
    expired.expires_at = at(1000);
    open(store, &expired).await;
    let (idle, secret_of_idle) = session(store, &key).await;
    let (live, secret_of_live) = session(store, &key).await;
    let gone = |refused| refused == Err(Refusal::SessionExpired);

    // Ended sessions stay for a week, so that a late refresh learns the reason.
    sweep_all(store, at(week), &RETENTION).await;
    let told = rotate(store, rotation(ended.sid, &secret_of_ended, 0, week)).await;
    assert_eq!(told, Err(Refusal::SessionEnded));
    sweep_all(store, at(week + 1), &RETENTION).await;
    assert!(gone(
        rotate(store, rotation(ended.sid, &secret_of_ended, 0, 5)).await
    ));
    assert!(
        rotate(store, rotation(expired.sid, &secret_of_expired, 0, 999))
            .await
            .is_ok(),
        "an expired session is kept for a week"
    );
    sweep_all(store, at(week + 1001), &RETENTION).await;
    assert!(gone(
        rotate(store, rotation(expired.sid, &secret_of_expired, 1, 999)).await
    ));

    let idle_end = RETENTION.session_idle.as_secs();
    rotate(store, rotation(live.sid, &secret_of_live, 0, idle_end - 1))
        .await
        .unwrap();
    sweep_all(store, at(idle_end + week), &RETENTION).await;
    assert!(
        rotate(store, rotation(idle.sid, &secret_of_idle, 0, 1))
            .await
            .is_ok(),
        "an idle session is kept for a week"
    );
    sweep_all(store, at(idle_end + week + 2), &RETENTION).await;
    assert!(gone(
        rotate(store, rotation(idle.sid, &secret_of_idle, 1, 2)).await
    ));
    assert!(
        rotate(store, rotation(live.sid, &secret_of_live, 1, idle_end + week))
            .await
            .is_ok()
    );
}

async fn pending_keys_are_swept_after_a_day_and_free_their_public_key(store: &Store) {
    let account = account(store).await;
    let pending = NewApiKey {
        active: false,
        ..new_key(&account)
    };
    register(store, pending.clone()).await;
    let confirmed = register(store, new_key(&account)).await;
    let day = 24 * 3600;
    sweep_all(store, at(day), &RETENTION).await;
    assert!(store.api_key(pending.key_id).await.unwrap().is_some());
    sweep_all(store, at(day + 1), &RETENTION).await;
    assert_eq!(store.api_key(pending.key_id).await.unwrap(), None);
    assert_eq!(store.api_key(confirmed.key_id).await.unwrap(), Some(confirmed));
    register(
        store,
        NewApiKey {
            key_id: super::given::fresh_key_id(),
            ..pending
        },
    )
    .await;
}

async fn r46_the_time_of_the_last_sweep_is_kept(store: &Store) {
    assert_eq!(store.last_seen_at().await.unwrap(), None);
    for seconds in [5, 9, 7] {
        store.set_last_seen_at(at(seconds)).await.unwrap();
        assert_eq!(store.last_seen_at().await.unwrap(), Some(at(seconds)));
    }
}

async fn revocations_and_audit_entries_are_swept_after_their_retention(store: &Store) {
    let entry = Revocation {
        revoked: Revoked::Everything,
        at: at(0),
    };
    store.revoke(entry, &audit_context(0)).await.unwrap();
    let (listed, year) = (RETENTION.revocation.as_secs(), RETENTION.audit.as_secs());
    sweep_all(store, at(listed), &RETENTION).await;
    assert_eq!(store.revocations(at(0)).await.unwrap(), [entry]);
    sweep_all(store, at(listed + 1), &RETENTION).await;
    assert!(store.revocations(at(0)).await.unwrap().is_empty());
    sweep_all(store, at(year), &RETENTION).await;
    assert_eq!(audited(store, AuditAction::TokensRevoked).await, 1);
    sweep_all(store, at(year + 1), &RETENTION).await;
    assert_eq!(audited(store, AuditAction::TokensRevoked).await, 0);
}

async fn the_session_table_shrinks_to_its_live_size_in_bounded_batches(store: &Store) {
    let key = key(store).await;
    let (mut live, mut dead) = (Vec::new(), 0);
    for number in 0..95 {
        let (mut new, secret) = new_session(&key, number);
        if number % 4 == 0 {
            live.push((new.sid, secret));
        } else {
            new.expires_at = at(1000);
            dead += 1;
        }
        open(store, &new).await;
    }
    let now = at(1001) + RETENTION.session;
    // Other tables have old rows too, but only the sessions are checked.
    let keep = Retention {
        audit: SignedDuration::from_hours(10_000),
        ..RETENTION
    };
    let (mut deleted, mut rounds) = (0, 0);
    loop {
        let swept = store.sweep(now, &keep).await.unwrap();
        assert!(swept.deleted <= u64::from(keep.batch), "{swept:?}");
        deleted += swept.deleted;
        rounds += 1;
        assert!(rounds < 100, "the sweep finishes");
        if !swept.more {
            break;
        }
    }
    assert_eq!(deleted, dead);
    assert_eq!(sweep_all(store, now, &keep).await, 0, "nothing is left");
    for (sid, secret) in live {
        assert!(rotate(store, rotation(sid, &secret, 0, 1000)).await.is_ok());
    }
}

async fn sweep_all(store: &Store, now: Timestamp, keep: &Retention) -> u64 {
    let mut deleted = 0;
    loop {
        let swept = store.sweep(now, keep).await.unwrap();
        deleted += swept.deleted;
        if !swept.more {
            return deleted;
        }
    }
}
