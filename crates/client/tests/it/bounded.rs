//! No response of the service makes a call send requests without end.

use tm_auth_client::proto::ErrorCode;
use tm_auth_client::token_source::MAX_REQUESTS;

use crate::Fixture;

#[tokio::test]
async fn no_error_code_makes_a_mint_loop() {
    for code in ErrorCode::ALL {
        let fixture = Fixture::new().await;
        fixture.issuer.refuse_always(Some(*code));
        let error = fixture.source.access_token().await.unwrap_err();
        assert_eq!(error.api().unwrap().code(), Some(*code));
        let requests = fixture.issuer.requests();
        assert!(requests <= MAX_REQUESTS, "{code}: {requests}");
        // The next call, at the same time, sends no request.
        fixture.source.access_token().await.unwrap_err();
        assert_eq!(fixture.issuer.requests(), requests, "{code}");
    }
}

#[tokio::test]
async fn no_error_code_makes_a_refresh_loop() {
    for code in ErrorCode::ALL {
        let (fixture, _) = Fixture::with_expired_token().await;
        fixture.issuer.refuse_always(Some(*code));
        fixture.source.access_token().await.unwrap_err();
        let requests = fixture.issuer.requests() - 1;
        assert!(requests <= MAX_REQUESTS, "{code}: {requests}");
    }
}

/// The sequence of codes that causes the most requests: it uses every kind of repetition.
#[tokio::test]
async fn no_sequence_of_codes_exceeds_the_bound() {
    let (fixture, _) = Fixture::with_expired_token().await;
    let worst = [
        ErrorCode::Unavailable,
        ErrorCode::SessionEnded,
        ErrorCode::RateLimited,
        ErrorCode::TimestampOutOfRange,
        ErrorCode::Replayed,
        ErrorCode::Internal,
    ];
    for code in worst {
        fixture.issuer.refuse_next(code);
    }
    fixture.issuer.refuse_always(Some(ErrorCode::Internal));
    fixture.source.access_token().await.unwrap_err();
    assert_eq!(fixture.issuer.requests() - 1, MAX_REQUESTS);
}

#[tokio::test]
async fn responses_of_a_proxy_are_bounded_too() {
    for status in [
        200, 204, 302, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504,
    ] {
        for expired in [false, true] {
            let fixture = if expired {
                Fixture::with_expired_token().await.0
            } else {
                Fixture::new().await
            };
            let before = fixture.issuer.requests();
            for _ in 0..50 {
                fixture.issuer.answer_next(status, "text/html", "<html>no</html>");
            }
            let error = fixture.source.access_token().await.unwrap_err();
            assert_eq!(error.api().unwrap().status(), Some(status));
            let requests = fixture.issuer.requests() - before;
            assert!(requests <= MAX_REQUESTS, "{status}: {requests}");
            let repeated = matches!(status, 200 | 204 | 408 | 429 | 500..);
            assert_eq!(requests > 2, repeated, "{status}: {requests}");
        }
    }
}

#[tokio::test]
async fn an_unreachable_service_is_reported_as_such() {
    let clock = std::sync::Arc::new(tm_auth_client::testing::TestRuntime::default());
    let issuer = tm_auth_client::testing::Issuer::start(clock.clone())
        .await
        .unwrap();
    let source = issuer.token_source(clock.clone());
    // Now nothing listens on the port.
    drop(issuer);
    tokio::task::yield_now().await;
    let error = source.access_token().await.unwrap_err();
    assert!(
        error.to_string().contains("cannot reach http://127.0.0.1:"),
        "{error}"
    );
    assert_eq!(clock.slept().len(), 3);
}
