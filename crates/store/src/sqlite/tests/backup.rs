//! The online backup, and old signatures after a restore.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tm_auth_core::Refusal;
use tm_auth_core::session::NewSession;

use super::{database, integrity, open};
use crate::conformance::given;
use crate::sqlite::Role;
use crate::{OpenOutcome, RotationKind, StoreError};

/// The same challenge, presented again.
fn replay(new: &NewSession) -> NewSession {
    NewSession {
        open_nonce: [0xaa; 16],
        ..new.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j16_a_backup_under_load_opens_is_sound_and_refuses_old_signatures() {
    let (store, folder) = database();
    let key = given::key(&store).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, key, stop) = (Arc::clone(&store), key.clone(), Arc::clone(&stop));
        writers.spawn(async move {
            let mut opened = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let (new, secret) = given::new_session(&key, 10);
                assert_eq!(
                    store.open_session(new.clone()).await.unwrap(),
                    OpenOutcome::Opened
                );
                opened.push((new, secret));
            }
            opened
        });
    }
    let mut before = Vec::new();
    for _ in 0..50 {
        before.push(given::session(&store, &key).await);
    }
    let target = folder.path().join("copy.db");
    store.backup(&target).await.unwrap();
    let after = given::session(&store, &key).await;
    // The session is used after the backup.
    let (went_on, secret) = before.pop().unwrap();
    for counter in 0..3 {
        given::rotate(&store, given::rotation(went_on.sid, &secret, counter, 20))
            .await
            .unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let during: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    assert!(!during.is_empty(), "sessions were opened during the backup");

    assert_eq!(integrity(&target), "ok");
    assert_eq!(
        std::fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let restored = Arc::new(open(&target, Role::Server).unwrap());
    assert_eq!(
        restored
            .mark_recovered(given::at(100), false, &given::audit_context(100))
            .await
            .unwrap(),
        0
    );
    for (new, _) in &before {
        let outcome = restored.open_session(replay(new)).await.unwrap();
        assert_eq!(outcome, OpenOutcome::Replayed, "acknowledged before the backup");
    }
    let outcome = restored.open_session(replay(&after.0)).await.unwrap();
    assert_eq!(
        outcome,
        OpenOutcome::BeforeRecovery,
        "a challenge of a lost session opens no second one"
    );
    for (new, _) in &during {
        let outcome = restored.open_session(replay(new)).await.unwrap();
        assert!(matches!(
            outcome,
            OpenOutcome::Replayed | OpenOutcome::BeforeRecovery
        ));
    }
    // The newest token, which the backup does not know, is accepted. A lost session is not
    // treated as reuse.
    let rotation = given::rotation(went_on.sid, &secret, 3, 101);
    let rotated = given::rotate(&restored, rotation).await.unwrap();
    assert_eq!(
        (rotated.kind, rotated.session.family.current),
        (RotationKind::FastForwarded, 4)
    );
    let lost = given::rotation(after.0.sid, &after.1, 0, 101);
    assert_eq!(given::rotate(&restored, lost).await, Err(Refusal::SessionExpired));
}

#[tokio::test]
async fn a_backup_never_overwrites() {
    let (store, folder) = database();
    let target = folder.path().join("copy.db");
    std::fs::write(&target, "precious").unwrap();
    assert!(matches!(
        store.backup(&target).await,
        Err(StoreError::Unusable(_))
    ));
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    // The existing file is an older copy.
    let copy = folder.path().join("older.db");
    store.backup(&copy).await.unwrap();
    let older = std::fs::read(&copy).unwrap();
    given::key(&store).await;
    assert!(matches!(store.backup(&copy).await, Err(StoreError::Unusable(_))));
    assert!(std::fs::read(&copy).unwrap() == older);
    let nowhere = folder.path().join("missing/copy.db");
    assert!(store.backup(&nowhere).await.is_err());
}
