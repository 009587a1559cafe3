//! Rows that no version of this program writes, and rows that must never change.

use rusqlite::Connection;
use tm_auth_core::Refusal;

use super::database;
use crate::conformance::given;
use crate::{Change, Revocation, Revoked, StoreError};

#[tokio::test]
async fn the_audit_trail_is_append_only() {
    let (store, folder) = database();
    given::account(&store).await;
    let db = Connection::open(folder.path().join("tm-auth.db")).unwrap();
    let refused = db.execute("UPDATE audit SET actor = 'mallory'", []).unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    assert_eq!(
        store.audit_trail(None, 1).await.unwrap()[0].audit_context.actor,
        "the suite"
    );
}

#[tokio::test]
async fn a_session_that_ended_for_an_unknown_reason_stays_ended() {
    let (store, folder) = database();
    let key = given::key(&store).await;
    let (new, secret) = given::session(&store, &key).await;
    let db = Connection::open(folder.path().join("tm-auth.db")).unwrap();
    db.execute(
        "UPDATE sessions SET ended_at = 1, end_reason = 'of a later version'",
        [],
    )
    .unwrap();
    let refused = given::rotate(&store, given::rotation(new.sid, &secret, 0, 1)).await;
    assert_eq!(refused, Err(Refusal::SessionEnded));
}

#[tokio::test]
async fn a_damaged_row_is_reported_and_affects_no_other() {
    let (store, folder) = database();
    let (damaged, sound) = (given::key(&store).await, given::key(&store).await);
    let db = Connection::open(folder.path().join("tm-auth.db")).unwrap();
    for broken in [
        "public_key = x'04'",
        "allowed_ips = 'everywhere'",
        "created_at = 9223372036854775807",
        "expires_at = -9223372036854775808",
    ] {
        db.execute(
            &format!("UPDATE api_keys SET {broken} WHERE key_id = ?1"),
            [damaged.key_id.0.as_bytes()],
        )
        .unwrap();
        assert!(
            matches!(store.api_key(damaged.key_id).await, Err(StoreError::Damaged(_))),
            "{broken}"
        );
        assert_eq!(store.api_key(sound.key_id).await.unwrap().as_ref(), Some(&sound));
        let revoked = store
            .revoke_key(damaged.account.uid, damaged.key_id, &given::audit_context(1))
            .await;
        assert!(matches!(revoked, Err(StoreError::Damaged(_))), "{broken}");
        let whole = "UPDATE api_keys SET public_key = ?2, allowed_ips = '', created_at = 0, expires_at = NULL WHERE key_id = ?1";
        let point = damaged.public_key.as_sec1().as_slice();
        db.execute(whole, [damaged.key_id.0.as_bytes().as_slice(), point])
            .unwrap();
    }
    assert!(store.api_key(damaged.key_id).await.is_ok());
}

/// As after a failover to a standby that lagged behind, or after the file was replaced under a
/// running server.
#[tokio::test]
async fn j05_lost_changes_are_detected_even_if_their_numbers_are_reused() {
    let (store, folder) = database();
    let revoke = async |seconds| {
        let entry = Revocation {
            revoked: Revoked::Account(given::account(&store).await.uid),
            at: given::at(seconds),
        };
        store.revoke(entry, &given::audit_context(seconds)).await.unwrap();
    };
    for seconds in 1..=3 {
        revoke(seconds).await;
    }
    let newest = store.changes(0).await.unwrap().latest;
    assert_eq!(store.changes(newest).await.unwrap().changes, Some(vec![]));
    let lose = || {
        let db = Connection::open(folder.path().join("tm-auth.db")).unwrap();
        db.execute(
            "DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)",
            [],
        )
        .unwrap();
    };
    lose();
    let told = store.changes(newest).await.unwrap();
    assert_eq!(
        (told.latest, told.changes, told.went_back),
        (newest - 1, None, true)
    );
    assert_eq!(store.changes(newest - 1).await.unwrap().changes, Some(vec![]));
    // The next change gets the same number.
    revoke(4).await;
    let told = store.changes(newest - 1).await.unwrap();
    assert_eq!(
        (told.latest, told.changes),
        (newest, Some(vec![Change::Revocations]))
    );
    lose();
    revoke(5).await;
    let told = store.changes(newest).await.unwrap();
    assert_eq!((told.latest, told.changes, told.went_back), (newest, None, true));
    assert_eq!(store.changes(newest).await.unwrap().changes, Some(vec![]));
    let missed = store.changes(i64::MAX).await.unwrap();
    assert_eq!((missed.changes, missed.went_back), (None, false));
}
