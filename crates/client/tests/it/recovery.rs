//! What goes wrong, and how the source gets going again.

use std::time::Duration;

use tm_auth_client::proto::ErrorCode;
use tm_auth_client::token_source::MAX_REQUESTS;

use crate::{ALMOST_AN_HOUR, Bench};

#[tokio::test]
async fn a_lost_refresh_is_asked_again_with_the_same_token() {
    let (bench, first) = Bench::with_an_ended_token().await;
    bench.issuer.lose_responses(1);
    let second = bench.source.access_token().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(bench.counts(), (1, 2));
    let seen = bench.issuer.seen();
    assert_eq!(seen[1].body, seen[2].body);
}

#[tokio::test]
async fn a_refresh_lost_for_good_is_asked_again_by_a_later_call() {
    let (bench, _) = Bench::with_an_ended_token().await;
    bench.issuer.lose_responses(4);
    let error = bench.source.access_token().await.unwrap_err();
    assert_eq!(error.api().unwrap().status(), None);
    assert_eq!(bench.counts(), (1, 4));
    // Two minutes later the service gives a new successor for the same token.
    bench.clock.advance(Duration::from_mins(2));
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (1, 5));
    let seen = bench.issuer.seen();
    assert_eq!(seen[1].body, seen[5].body);
}

#[tokio::test]
async fn a_lost_mint_is_signed_anew() {
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
        let (bench, first) = Bench::with_an_ended_token().await;
        bench.issuer.refuse_next(code);
        assert_ne!(bench.source.access_token().await.unwrap(), first, "{code}");
        assert_eq!(bench.counts(), (2, 1), "{code}");
        assert!(bench.clock.slept().is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_not_asked_about_again() {
    let (bench, _) = Bench::with_an_ended_token().await;
    bench.issuer.end_sessions();
    bench.issuer.refuse_next(ErrorCode::SessionEnded);
    bench.issuer.refuse_next(ErrorCode::IpNotAllowed);
    bench.source.access_token().await.unwrap_err();
    bench.clock.advance(Duration::from_mins(1));
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (3, 1));
}

#[tokio::test]
async fn replayed_waits_as_asked_and_signs_anew_once() {
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
async fn a_service_restored_from_a_backup_gets_a_new_signature() {
    let bench = Bench::new().await;
    bench.issuer.refuse_next(ErrorCode::ChallengeBeforeRecovery);
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (2, 0));
}

#[tokio::test]
async fn in_an_outage_the_valid_token_goes_on() {
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
        // The source rests: the token goes on without a request.
        assert_eq!(bench.source.access_token().await.unwrap(), first);
        bench.source.idle().await;
        assert_eq!(bench.issuer.requests(), requests, "{code}");
        // The outage ends before the token does.
        bench.issuer.refuse_always(None);
        bench.clock.advance(Duration::from_mins(1));
        assert_eq!(bench.source.access_token().await.unwrap(), first, "{code}");
        bench.source.idle().await;
        assert_ne!(bench.source.access_token().await.unwrap(), first, "{code}");
    }
}

#[tokio::test]
async fn without_the_service_and_without_a_token_the_error_comes_without_a_flood() {
    let bench = Bench::new().await;
    bench.issuer.refuse_always(Some(ErrorCode::Unavailable));
    for _ in 0..50 {
        let error = bench.source.access_token().await.unwrap_err();
        assert_eq!(error.api().unwrap().code(), Some(ErrorCode::Unavailable));
    }
    assert_eq!(bench.issuer.requests(), 4);
    // Waits grow, and honour what the service asked for.
    let slept = bench.clock.slept();
    assert_eq!(slept.len(), 3);
    assert!(
        slept.iter().all(|wait| *wait >= Duration::from_secs(1)),
        "{slept:?}"
    );
}

#[tokio::test]
async fn rests_grow_to_half_a_minute() {
    let bench = Bench::new().await;
    bench.issuer.refuse_always(Some(ErrorCode::KeyPending));
    let mut rests = Vec::new();
    for _ in 0..8 {
        bench.source.access_token().await.unwrap_err();
        let before = bench.issuer.requests();
        let mut rest = 0;
        loop {
            bench.clock.advance(Duration::from_secs(1));
            rest += 1;
            bench.source.access_token().await.unwrap_err();
            if bench.issuer.requests() > before {
                // That call was the next flight; its rest is measured in the next round.
                break;
            }
        }
        rests.push(rest);
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30]);
}

#[tokio::test]
async fn retry_after_is_honoured_in_a_call_if_short_and_between_calls_if_long() {
    let bench = Bench::new().await;
    bench.issuer.set_retry_after(3);
    bench.issuer.refuse_next(ErrorCode::RateLimited);
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.clock.slept(), [Duration::from_secs(3)]);

    // A proxy may ask for hours: nobody waits that long in a call, and the source rests for five minutes.
    let bench = Bench::new().await;
    for (asked, rested) in [(6, 6), (3600, 300)] {
        let before = bench.issuer.requests();
        bench.issuer.set_retry_after(asked);
        bench.issuer.refuse_next(ErrorCode::Unavailable);
        bench.source.access_token().await.unwrap_err();
        assert_eq!(bench.issuer.requests(), before + 1);
        bench.clock.advance(Duration::from_secs(rested - 1));
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
async fn a_session_that_the_service_stumbles_over_is_replaced() {
    let (bench, _) = Bench::with_an_ended_token().await;
    for _ in 0..4 {
        bench.issuer.refuse_next(ErrorCode::Internal);
    }
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (2, 4));
}

#[tokio::test]
async fn a_dead_key_ends_the_tokens_it_minted() {
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
async fn an_address_that_is_not_allowed_leaves_the_valid_token() {
    let bench = Bench::new().await;
    let first = bench.source.access_token().await.unwrap();
    bench.issuer.refuse_always(Some(ErrorCode::IpNotAllowed));
    bench.clock.advance(ALMOST_AN_HOUR);
    bench.source.access_token().await.unwrap();
    bench.source.idle().await;
    assert_eq!(bench.source.access_token().await.unwrap(), first);
    assert_eq!(bench.issuer.requests(), 2);
}
