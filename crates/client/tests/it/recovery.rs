//! How the token source recovers from errors.

use std::time::Duration;

use tm_auth_client::proto::ErrorCode;
use tm_auth_client::token_source::MAX_REQUESTS;

use crate::{ALMOST_AN_HOUR, Fixture};

#[tokio::test]
async fn a_refresh_whose_response_is_lost_is_repeated_with_the_same_token() {
    let (fixture, first) = Fixture::with_expired_token().await;
    fixture.issuer.lose_responses(1);
    let second = fixture.source.access_token().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(fixture.counts(), (1, 2));
    let seen = fixture.issuer.seen();
    assert_eq!(seen[1].body, seen[2].body);
}

#[tokio::test]
async fn a_refresh_that_failed_is_repeated_by_a_later_call() {
    let (fixture, _) = Fixture::with_expired_token().await;
    fixture.issuer.lose_responses(4);
    let error = fixture.source.access_token().await.unwrap_err();
    assert_eq!(error.api().unwrap().status(), None);
    assert_eq!(fixture.counts(), (1, 4));
    // Two minutes later the service issues another successor of the same token.
    fixture.clock.advance(Duration::from_mins(2));
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (1, 5));
    let seen = fixture.issuer.seen();
    assert_eq!(seen[1].body, seen[5].body);
}

#[tokio::test]
async fn a_mint_whose_response_is_lost_is_signed_again() {
    let fixture = Fixture::new().await;
    fixture.issuer.lose_responses(1);
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (2, 0));
    let seen = fixture.issuer.seen();
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
        let (fixture, first) = Fixture::with_expired_token().await;
        fixture.issuer.refuse_next(code);
        assert_ne!(fixture.source.access_token().await.unwrap(), first, "{code}");
        assert_eq!(fixture.counts(), (2, 1), "{code}");
        assert!(fixture.clock.slept().is_empty(), "{code}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_not_refreshed_again() {
    let (fixture, _) = Fixture::with_expired_token().await;
    fixture.issuer.end_sessions();
    fixture.issuer.refuse_next(ErrorCode::SessionEnded);
    fixture.issuer.refuse_next(ErrorCode::IpNotAllowed);
    fixture.source.access_token().await.unwrap_err();
    fixture.clock.advance(Duration::from_mins(1));
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (3, 1));
}

#[tokio::test]
async fn after_replayed_the_source_waits_and_signs_again_once() {
    let fixture = Fixture::new().await;
    fixture.issuer.refuse_next(ErrorCode::Replayed);
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.clock.slept(), [Duration::from_secs(1)]);
    let seen = fixture.issuer.seen();
    assert_ne!(seen[0].body, seen[1].body);

    let fixture = Fixture::new().await;
    fixture.issuer.refuse_always(Some(ErrorCode::Replayed));
    let error = fixture.source.access_token().await.unwrap_err();
    assert_eq!(error.api().unwrap().code(), Some(ErrorCode::Replayed));
    assert_eq!(fixture.issuer.requests(), 2);
}

#[tokio::test]
async fn a_service_that_was_restored_from_a_backup_gets_a_new_signature() {
    let fixture = Fixture::new().await;
    fixture.issuer.refuse_next(ErrorCode::ChallengeBeforeRecovery);
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (2, 0));
}

#[tokio::test]
async fn a_valid_token_is_used_during_an_outage() {
    for code in [
        ErrorCode::Unavailable,
        ErrorCode::RateLimited,
        ErrorCode::Internal,
        ErrorCode::RequestTimeout,
    ] {
        let fixture = Fixture::new().await;
        let first = fixture.source.access_token().await.unwrap();
        fixture.issuer.refuse_always(Some(code));
        fixture.clock.advance(ALMOST_AN_HOUR);
        assert_eq!(fixture.source.access_token().await.unwrap(), first, "{code}");
        fixture.source.idle().await;
        let requests = fixture.issuer.requests();
        assert!(requests <= 1 + MAX_REQUESTS, "{code}: {requests}");
        // The source backs off: it returns the token without a request.
        assert_eq!(fixture.source.access_token().await.unwrap(), first);
        fixture.source.idle().await;
        assert_eq!(fixture.issuer.requests(), requests, "{code}");
        // The outage ends before the token expires.
        fixture.issuer.refuse_always(None);
        fixture.clock.advance(Duration::from_mins(1));
        assert_eq!(fixture.source.access_token().await.unwrap(), first, "{code}");
        fixture.source.idle().await;
        assert_ne!(fixture.source.access_token().await.unwrap(), first, "{code}");
    }
}

#[tokio::test]
async fn without_a_token_an_outage_gives_the_error_without_flooding_the_service() {
    let fixture = Fixture::new().await;
    fixture.issuer.refuse_always(Some(ErrorCode::Unavailable));
    for _ in 0..50 {
        let error = fixture.source.access_token().await.unwrap_err();
        assert_eq!(error.api().unwrap().code(), Some(ErrorCode::Unavailable));
    }
    assert_eq!(fixture.issuer.requests(), 4);
    // Each wait is at least as long as the service asked for.
    let slept = fixture.clock.slept();
    assert_eq!(slept.len(), 3);
    assert!(
        slept.iter().all(|wait| *wait >= Duration::from_secs(1)),
        "{slept:?}"
    );
}

#[tokio::test]
async fn backoffs_grow_to_30_seconds() {
    let fixture = Fixture::new().await;
    fixture.issuer.refuse_always(Some(ErrorCode::KeyPending));
    let mut backoffs = Vec::new();
    for _ in 0..8 {
        fixture.source.access_token().await.unwrap_err();
        let before = fixture.issuer.requests();
        let mut backoff = 0;
        loop {
            fixture.clock.advance(Duration::from_secs(1));
            backoff += 1;
            fixture.source.access_token().await.unwrap_err();
            if fixture.issuer.requests() > before {
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
    let fixture = Fixture::new().await;
    fixture.issuer.set_retry_after(3);
    fixture.issuer.refuse_next(ErrorCode::RateLimited);
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.clock.slept(), [Duration::from_secs(3)]);

    // A longer one fails the call, and the source backs off, for at most five minutes.
    let fixture = Fixture::new().await;
    for (retry_after, backoff) in [(6, 6), (3600, 300)] {
        let before = fixture.issuer.requests();
        fixture.issuer.set_retry_after(retry_after);
        fixture.issuer.refuse_next(ErrorCode::Unavailable);
        fixture.source.access_token().await.unwrap_err();
        assert_eq!(fixture.issuer.requests(), before + 1);
        fixture.clock.advance(Duration::from_secs(backoff - 1));
        fixture.source.access_token().await.unwrap_err();
        assert_eq!(fixture.issuer.requests(), before + 1);
        fixture.clock.advance(Duration::from_secs(1));
        let token = fixture.source.access_token().await.unwrap();
        assert_eq!(fixture.issuer.requests(), before + 2);
        fixture.source.invalidate(&token);
        fixture.clock.advance(crate::HOUR);
    }
    assert!(fixture.clock.slept().is_empty());
}

#[tokio::test]
async fn a_session_whose_refreshes_fail_with_internal_is_replaced() {
    let (fixture, _) = Fixture::with_expired_token().await;
    for _ in 0..4 {
        fixture.issuer.refuse_next(ErrorCode::Internal);
    }
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (2, 4));
}

#[tokio::test]
async fn the_tokens_of_a_revoked_or_expired_key_are_discarded() {
    for code in [
        ErrorCode::KeyRevoked,
        ErrorCode::KeyExpired,
        ErrorCode::AccountDisabled,
    ] {
        let fixture = Fixture::new().await;
        fixture.source.access_token().await.unwrap();
        fixture.issuer.refuse_always(Some(code));
        fixture.clock.advance(ALMOST_AN_HOUR);
        fixture.source.access_token().await.unwrap();
        fixture.source.idle().await;
        let error = fixture.source.access_token().await.unwrap_err();
        assert_eq!(error.api().unwrap().code(), Some(code));
        assert_eq!(fixture.issuer.requests(), 2, "{code}");
    }
}

#[tokio::test]
async fn a_valid_token_is_kept_if_the_address_is_not_allowed() {
    let fixture = Fixture::new().await;
    let first = fixture.source.access_token().await.unwrap();
    fixture.issuer.refuse_always(Some(ErrorCode::IpNotAllowed));
    fixture.clock.advance(ALMOST_AN_HOUR);
    fixture.source.access_token().await.unwrap();
    fixture.source.idle().await;
    assert_eq!(fixture.source.access_token().await.unwrap(), first);
    assert_eq!(fixture.issuer.requests(), 2);
}
