//! Clocks that are wrong, and clocks that are put right.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tm_auth_client::Runtime;
use tm_auth_client::proto::{ApiKeyTokenRequest, ErrorCode};

use crate::{Bench, HOUR};

fn timestamps(bench: &Bench) -> Vec<i64> {
    let seen = bench.issuer.seen();
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
        let bench = Bench::new().await;
        bench.issuer.set_clock_ahead(SignedDuration::from_secs(ahead));
        let token = bench.source.access_token().await.unwrap();
        let local = bench.clock.now().as_second();
        assert_eq!(timestamps(&bench), [local, local + ahead]);
        // Expiry is judged by the service's clock as well: the token is as fresh as any.
        assert_eq!(bench.source.access_token().await.unwrap(), token);
        // A later mint needs no second lesson.
        bench.issuer.end_sessions();
        bench.clock.advance(HOUR);
        bench.source.access_token().await.unwrap();
        assert_eq!(bench.counts(), (3, 1), "{ahead}");
    }
}

#[tokio::test]
async fn the_date_header_serves_where_the_body_says_no_time() {
    let bench = Bench::new().await;
    bench.issuer.set_clock_ahead(SignedDuration::from_secs(900));
    let body = r#"{"type":"unauthenticated","code":"timestamp_out_of_range","message":"no","request_id":"r","retryable":true}"#;
    bench.issuer.answer_next(401, "application/json", body);
    bench.source.access_token().await.unwrap();
    let local = bench.clock.now().as_second();
    assert_eq!(timestamps(&bench), [local, local + 900]);
}

#[tokio::test]
async fn a_clock_that_stays_out_of_range_is_not_measured_again() {
    let bench = Bench::new().await;
    bench.issuer.refuse_always(Some(ErrorCode::TimestampOutOfRange));
    let error = bench.source.access_token().await.unwrap_err();
    assert_eq!(error.api().unwrap().code(), Some(ErrorCode::TimestampOutOfRange));
    assert_eq!(bench.issuer.requests(), 2);
}

#[tokio::test]
async fn half_a_minute_needs_no_correction() {
    let bench = Bench::new().await;
    bench.issuer.set_clock_ahead(SignedDuration::from_secs(30));
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (1, 0));
}

/// A machine starts with a wrong clock, learns the difference, and then its clock is put right: the stale
/// correction must not make every fresh token look old.
#[tokio::test]
async fn a_clock_that_is_put_right_is_noticed_at_the_next_answer() {
    let bench = Bench::new().await;
    let two_hours = SignedDuration::from_hours(2);
    bench.issuer.set_clock_ahead(two_hours);
    bench.source.access_token().await.unwrap();
    bench.clock.set(bench.clock.now().checked_add(two_hours).unwrap());
    bench.issuer.set_clock_ahead(SignedDuration::ZERO);
    // By the stale correction this token ended an hour ago: one refresh, and all is well.
    let token = bench.source.access_token().await.unwrap();
    assert_eq!(bench.source.access_token().await.unwrap(), token);
    assert_eq!(bench.counts(), (2, 1));
}

/// A rest is bounded by how long one can be, so a clock set back does not prolong it by as much.
#[tokio::test]
async fn a_clock_set_back_does_not_prolong_a_rest() {
    let bench = Bench::new().await;
    bench.issuer.refuse_next(ErrorCode::IpNotAllowed);
    bench.source.access_token().await.unwrap_err();
    bench.clock.set(bench.clock.now().checked_sub(HOUR).unwrap());
    bench.issuer.set_clock_ahead(SignedDuration::from_secs(3600));
    bench.source.access_token().await.unwrap();
}

#[tokio::test]
async fn the_real_runtime_tells_time_and_chance() {
    let runtime = tm_auth_client::SystemRuntime;
    assert!(runtime.now() > Timestamp::UNIX_EPOCH);
    assert_ne!(runtime.random(), runtime.random());
    runtime.sleep(Duration::ZERO).await;
}
