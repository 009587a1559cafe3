//! Local clocks that are wrong, and that are corrected later.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tm_auth_client::Runtime;
use tm_auth_client::proto::{ApiKeyTokenRequest, ErrorCode};

use crate::{Fixture, HOUR};

fn timestamps(fixture: &Fixture) -> Vec<i64> {
    let seen = fixture.issuer.seen();
    let mints = seen.iter().filter(|seen| seen.path.ends_with("/api-key/token"));
    mints
        .map(|seen| {
            serde_json::from_str::<ApiKeyTokenRequest>(&seen.body)
                .unwrap()
                .timestamp
        })
        .collect()
}

#[tokio::test]
async fn a_wrong_clock_is_measured_once_and_corrected_for() {
    for ahead in [600, -600, 86_400] {
        let fixture = Fixture::new().await;
        fixture.issuer.set_clock_ahead(SignedDuration::from_secs(ahead));
        let token = fixture.source.access_token().await.unwrap();
        let local = fixture.clock.now().as_second();
        assert_eq!(timestamps(&fixture), [local, local + ahead]);
        // Expiry is computed with the service's clock too, so the token is fresh.
        assert_eq!(fixture.source.access_token().await.unwrap(), token);
        // A later mint uses the measured difference.
        fixture.issuer.end_sessions();
        fixture.clock.advance(HOUR);
        fixture.source.access_token().await.unwrap();
        assert_eq!(fixture.counts(), (3, 1), "{ahead}");
    }
}

#[tokio::test]
async fn the_date_header_is_used_if_the_body_has_no_server_time() {
    let fixture = Fixture::new().await;
    fixture.issuer.set_clock_ahead(SignedDuration::from_secs(900));
    let body = r#"{"type":"unauthenticated","code":"timestamp_out_of_range","message":"no","request_id":"r","retryable":true}"#;
    fixture.issuer.answer_next(401, "application/json", body);
    fixture.source.access_token().await.unwrap();
    let local = fixture.clock.now().as_second();
    assert_eq!(timestamps(&fixture), [local, local + 900]);
}

#[tokio::test]
async fn the_clock_is_measured_once_per_renewal() {
    let fixture = Fixture::new().await;
    fixture.issuer.refuse_always(Some(ErrorCode::TimestampOutOfRange));
    let error = fixture.source.access_token().await.unwrap_err();
    assert_eq!(error.api().unwrap().code(), Some(ErrorCode::TimestampOutOfRange));
    assert_eq!(fixture.issuer.requests(), 2);
}

#[tokio::test]
async fn a_difference_of_30_seconds_needs_no_correction() {
    let fixture = Fixture::new().await;
    fixture.issuer.set_clock_ahead(SignedDuration::from_secs(30));
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (1, 0));
}

/// A machine starts with a wrong clock, measures the difference, and then its clock is set right.
/// The old correction must not make every new token look expired.
#[tokio::test]
async fn a_clock_that_was_set_right_is_noticed_at_the_next_response() {
    let fixture = Fixture::new().await;
    let two_hours = SignedDuration::from_hours(2);
    fixture.issuer.set_clock_ahead(two_hours);
    fixture.source.access_token().await.unwrap();
    fixture
        .clock
        .set(fixture.clock.now().checked_add(two_hours).unwrap());
    fixture.issuer.set_clock_ahead(SignedDuration::ZERO);
    // With the old correction this token expired an hour ago. One refresh corrects the difference.
    let token = fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.source.access_token().await.unwrap(), token);
    assert_eq!(fixture.counts(), (2, 1));
}

/// A backoff that is longer than the longest possible one is ignored.
#[tokio::test]
async fn a_clock_that_is_set_back_does_not_prolong_a_backoff() {
    let fixture = Fixture::new().await;
    fixture.issuer.refuse_next(ErrorCode::IpNotAllowed);
    fixture.source.access_token().await.unwrap_err();
    fixture.clock.set(fixture.clock.now().checked_sub(HOUR).unwrap());
    fixture.issuer.set_clock_ahead(SignedDuration::from_secs(3600));
    fixture.source.access_token().await.unwrap();
}

#[tokio::test]
async fn the_system_runtime_provides_time_and_randomness() {
    let runtime = tm_auth_client::SystemRuntime;
    assert!(runtime.now() > Timestamp::UNIX_EPOCH);
    assert_ne!(runtime.random(), runtime.random());
    runtime.sleep(Duration::ZERO).await;
}
