//! Repeated reuse of a stolen old refresh token.

use crate::support::{TestServer, at_once};
use tm_auth_store::AuditAction;

const STORM: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e18_repeated_reuse_is_rate_limited_and_audited_once() {
    let server = TestServer::start().await;
    let faults = server.store.faults();
    let key = server.key().await;
    let stolen = server.mint(&key).await.refresh_token;
    let live = server.mint(&key).await;
    let newest = server.refresh(&stolen).await.refresh_token();
    server.advance(91);
    server.refresh(&newest).await.refresh_token();
    server.advance(91);

    let (judged, listed) = (faults.calls("rotate_session"), faults.calls("revocations"));
    let (mut reused, mut limited) = (0, 0);
    for _ in 0..STORM / 50 {
        for answer in at_once((0..50).map(|_| server.refresh(&stolen))).await {
            if answer.status == 429 {
                answer.assert_error(429, "rate_limited");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
                limited += 1;
            } else {
                answer.assert_error(401, "refresh_reused");
                reused += 1;
            }
        }
    }
    // Requests in flight when the limit is reached still pass.
    assert!((60..110).contains(&reused), "{reused}");
    assert_eq!(reused + limited, STORM);
    assert_eq!(faults.calls("rotate_session") - judged, reused as u64);
    // The call that ended the session, and the poll for changes.
    let listed = faults.calls("revocations") - listed;
    assert!((1..=2).contains(&listed), "{listed} reads of the list");
    let trail = server.store.audit_trail(None, 1000).await.unwrap();
    let noted = trail
        .iter()
        .filter(|entry| entry.action == AuditAction::RefreshReused)
        .count();
    assert_eq!(noted, 1);

    // A minute later: the same answer, without a read of the list.
    server.advance(120);
    let listed = faults.calls("revocations");
    server.refresh(&stolen).await.assert_error(401, "refresh_reused");
    assert_eq!(faults.calls("revocations"), listed);
    // The storm used the owner's address and session, yet the key still works.
    server.refresh(&live.refresh_token).await.refresh_token();
    server.mint(&key).await;
}
