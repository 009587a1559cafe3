//! Tests the ledger itself: the test damages the database, and the ledger must notice.

use std::sync::Arc;

use tm_auth_testing::ledger::{Entry, Load};

use super::rows;
use crate::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j01_the_ledger_notices_writes_that_the_database_lost() {
    let service = Service::new();
    let _running = service.start();
    let uid = service.account();
    let management_token = service.management_token(uid);
    let mut bots = Vec::new();
    for _ in 0..4 {
        bots.push(Arc::new(service.bot(uid, &management_token).await));
    }
    let load = Load {
        base_urls: vec![service.issuer()],
        bots,
        owner: service.owner(uid, &management_token),
        keys_to_revoke: 1,
        keys_to_create: 1,
        writes: 200,
    };
    let load = load.start();
    load.ledger().wait_until_acknowledged(300).await;
    let ledger = load.stop().await;
    assert_eq!(ledger.missing_from(&rows(&service)), [""; 0]);

    // Cause one loss of each kind, in sessions of keys that are not revoked.
    let revoked_keys = ledger.revoked_keys();
    let sessions: Vec<Entry> = ledger
        .sessions()
        .into_values()
        .filter(|entry| !revoked_keys.contains(&entry.key_id))
        .collect();
    let live: Vec<&Entry> = sessions.iter().filter(|entry| !entry.ended).collect();
    let ended = sessions
        .iter()
        .find(|entry| entry.ended)
        .expect("some sessions are ended");
    for (statement, entry) in [
        ("DELETE FROM sessions", live[0]),
        (
            "UPDATE sessions SET current = current - 1, parent = parent - 1",
            live[1],
        ),
        ("UPDATE sessions SET ended_at = NULL, end_reason = NULL", ended),
    ] {
        let changed = service.connection().execute(
            &format!("{statement} WHERE sid = ?1"),
            [entry.held.session.0.as_bytes()],
        );
        assert_eq!(changed.expect("the statement succeeds"), 1, "{statement}");
    }

    let missing = ledger.missing_from(&rows(&service));
    assert_eq!(missing.len(), 3, "{missing:?}");
    // Requests show two of the losses. The service fast-forwards to the token that is newer than its
    // row, which hides the third.
    let report = ledger.verify().await;
    let first_names =
        |messages: &[String], entry: &Entry| messages[0].contains(&entry.held.session.to_string());
    assert!(
        report.lost.len() == 1 && first_names(&report.lost, live[0]),
        "{:?}",
        report.lost
    );
    assert!(
        report.resurrected.len() == 1 && first_names(&report.resurrected, ended),
        "{report}"
    );
    assert!(
        report.history.is_err(),
        "no order explains a refresh of an ended session"
    );
}
