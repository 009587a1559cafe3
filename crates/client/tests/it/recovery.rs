//! How the token source recovers from errors.

use std::time::Duration;

use tm_auth_client::proto::ErrorCode;
use tm_auth_client::token_source::MAX_REQUESTS;

use crate::{ALMOST_AN_HOUR, Bench};

#[tokio::test]
async fn a_refresh_whose_response_is_lost_is_repeated_with_the_same_token() {
    let (bench, first) = Bench::with_expired_token().await;
    bench.issuer.lose_responses(1);
    let second = bench.source.access_token().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(bench.counts(), (1, 2));
    let seen = bench.issuer.seen();
    assert_eq!(seen[1].body, seen[2].body);
}

#[tokio::test]
async fn a_refresh_that_failed_is_repeated_by_a_later_call() {
    let (bench, _) = Bench::with_expired_token().await;
    bench.issuer.lose_responses(4);
    let error = bench.source.access_token().await.unwrap_err();
    assert_eq!(error.api().unwrap().status(), None);
    assert_eq!(bench.counts(), (1, 4));
    // Two minutes later the service issues another successor of the same token.
    bench.clock.advance(Duration::from_mins(2));
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (1, 5));
    let seen = bench.issuer.seen();
    assert_eq!(seen[1].body, seen[5].body);
}

#[tokio::test]
async fn a_mint_whose_response_is_lost_is_signed_again() {
    let bench = Bench::new().await;
    bench.issuer.lose_responses(1);
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (2, 0));
    let seen = bench.issuer.seen();
    assert_ne!(seen[0].body, seen[1].body);
}

#[tokio::test]
async fn a_session_that_is_over_is_replaced_by_a_mint() {
    for code in [
        ErrorCode::RefreshReused,
        ErrorCode::SessionExpired,
        ErrorCode::SessionEnded,
        ErrorCode::InvalidRefreshToken,
        ErrorCode::RefreshSuperseded,
    ] {
        let (bench, first) = Bench::with_expired_token().await;
        bench.issuer.refuse_next(code);
        assert_ne!(bench.source.access_token().await.unwrap(), first, "{code}");
        assert_eq!(bench.counts(), (2, 1), "{code}");
        assert!(bench.clock.slept().is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_not_refreshed_again() {
    let (bench, _) = Bench::with_expired_token().await;
    bench.issuer.end_sessions();
    bench.issuer.refuse_next(ErrorCode::SessionEnded);
    bench.issuer.refuse_next(ErrorCode::IpNotAllowed);
    bench.source.access_token().await.unwrap_err();
    bench.clock.advance(Duration::from_mins(1));
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (3, 1));
}

#[tokio::test]
async fn after_replayed_the_source_waits_and_signs_again_once() {
    let bench = Bench::new().await;
    bench.issuer.refuse_next(ErrorCode::Replayed);
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.clock.slept(), [Duration::from_secs(1)]);
    let seen = bench.issuer.seen();
    assert_ne!(seen[0].body, seen[1].body);

    let bench = Bench::new().await;
    bench.issuer.refuse_always(Some(ErrorCode::Replayed));
    let error = bench.source.access_token().await.unwrap_err();
    assert_eq!(error.api().unwrap().code(), Some(ErrorCode::Replayed));
    assert_eq!(bench.issuer.requests(), 2);
}

#[tokio::test]
async fn a_service_that_was_restored_from_a_backup_gets_a_new_signature() {
    let bench = Bench::new().await;
    bench.issuer.refuse_next(ErrorCode::ChallengeBeforeRecovery);
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (2, 0));
}

#[tokio::test]
async fn a_valid_token_is_used_during_an_outage() {
    for code in [
        ErrorCode::Unavailable,
        ErrorCode::RateLimited,
        ErrorCode::Internal,
        ErrorCode::RequestTimeout,
    ] {
        let bench = Bench::new().await;
        let first = bench.source.access_token().await.unwrap();
        bench.issuer.refuse_always(Some(code));
        bench.clock.advance(ALMOST_AN_HOUR);
        assert_eq!(bench.source.access_token().await.unwrap(), first, "{code}");
        bench.source.idle().await;
        let requests = bench.issuer.requests();
        assert!(requests <= 1 + MAX_REQUESTS, "{code}: {requests}");
        // The source backs off: it returns the token without a request.
        assert_eq!(bench.source.access_token().await.unwrap(), first);
        bench.source.idle().await;
        assert_eq!(bench.issuer.requests(), requests, "{code}");
        // The outage ends before the token expires.
        bench.issuer.refuse_always(None);
        bench.clock.advance(Duration::from_mins(1));
        assert_eq!(bench.source.access_token().await.unwrap(), first, "{code}");
        bench.source.idle().await;
        assert_ne!(bench.source.access_token().await.unwrap(), first, "{code}");
    }
}

#[tokio::test]
async fn without_a_token_an_outage_gives_the_error_without_flooding_the_service() {
    let bench = Bench::new().await;
    bench.issuer.refuse_always(Some(ErrorCode::Unavailable));
    for _ in 0..50 {
        let error = bench.source.access_token().await.unwrap_err();
        assert_eq!(error.api().unwrap().code(), Some(ErrorCode::Unavailable));
    }
    assert_eq!(bench.issuer.requests(), 4);
    // Each wait is at least as long as the service asked for.
    let slept = bench.clock.slept();
    assert_eq!(slept.len(), 3);
    assert!(
        slept.iter().all(|wait| *wait >= Duration::from_secs(1)),
        "{slept:?}"
    );
}

#[tokio::test]
async fn backoffs_grow_to_30_seconds() {
    let bench = Bench::new().await;
    bench.issuer.refuse_always(Some(ErrorCode::KeyPending));
    let mut backoffs = Vec::new();
    for _ in 0..8 {
        bench.source.access_token().await.unwrap_err();
        let before = bench.issuer.requests();
        let mut backoff = 0;
        loop {
            bench.clock.advance(Duration::from_secs(1));
            backoff += 1;
            bench.source.access_token().await.unwrap_err();
            if bench.issuer.requests() > before {
                // This call ran the next renewal; its backoff is measured in the next iteration.
                break;
            }
        }
        backoffs.push(backoff);
    }
    assert_eq!(backoffs, [1, 2, 4, 8, 16, 30, 30, 30]);
}

#[tokio::test]
async fn a_short_retry_after_delays_the_call_and_a_long_one_the_next_call() {
    let bench = Bench::new().await;
    bench.issuer.set_retry_after(3);
    bench.issuer.refuse_next(ErrorCode::RateLimited);
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.clock.slept(), [Duration::from_secs(3)]);

    // A longer one fails the call, and the source backs off, for at most five minutes.
    let bench = Bench::new().await;
    for (retry_after, backoff) in [(6, 6), (3600, 300)] {
        let before = bench.issuer.requests();
        bench.issuer.set_retry_after(retry_after);
        bench.issuer.refuse_next(ErrorCode::Unavailable);
        bench.source.access_token().await.unwrap_err();
        assert_eq!(bench.issuer.requests(), before + 1);
        bench.clock.advance(Duration::from_secs(backoff - 1));
        bench.source.access_token().await.unwrap_err();
        assert_eq!(bench.issuer.requests(), before + 1);
        bench.clock.advance(Duration::from_secs(1));
        let token = bench.source.access_token().await.unwrap();
        assert_eq!(bench.issuer.requests(), before + 2);
        bench.source.invalidate(&token);
        bench.clock.advance(crate::HOUR);
    }
    assert!(bench.clock.slept().is_empty());
}

#[tokio::test]
async fn a_session_whose_refreshes_fail_with_internal_is_replaced() {
    let (bench, _) = Bench::with_expired_token().await;
    for _ in 0..4 {
        bench.issuer.refuse_next(ErrorCode::Internal);
    }
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (2, 4));
}

#[tokio::test]
async fn the_tokens_of_a_revoked_or_expired_key_are_discarded() {
    for code in [
        ErrorCode::KeyRevoked,
        ErrorCode::KeyExpired,
        ErrorCode::AccountDisabled,
    ] {
        let bench = Bench::new().await;
        bench.source.access_token().await.unwrap();
        bench.issuer.refuse_always(Some(code));
        bench.clock.advance(ALMOST_AN_HOUR);
        bench.source.access_token().await.unwrap();
        bench.source.idle().await;
        let error = bench.source.access_token().await.unwrap_err();
        assert_eq!(error.api().unwrap().code(), Some(code));
        assert_eq!(bench.issuer.requests(), 2, "{code}");
    }
}

#[tokio::test]
async fn a_valid_token_is_kept_if_the_address_is_not_allowed() {
    let bench = Bench::new().await;
    let first = bench.source.access_token().await.unwrap();
    bench.issuer.refuse_always(Some(ErrorCode::IpNotAllowed));
    bench.clock.advance(ALMOST_AN_HOUR);
    bench.source.access_token().await.unwrap();
    bench.source.idle().await;
    assert_eq!(bench.source.access_token().await.unwrap(), first);
    assert_eq!(bench.issuer.requests(), 2);
}
