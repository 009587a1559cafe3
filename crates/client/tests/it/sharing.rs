//! One token source, shared by many tasks.

use jiff::Timestamp;
use tm_auth_client::TokenError;
use tm_auth_client::proto::{ErrorCode, TokenResponse};

use crate::{ALMOST_AN_HOUR, Fixture, HOUR};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_at_once_cause_one_mint() {
    let fixture = Fixture::new().await;
    fixture.issuer.hold();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let source = fixture.source.clone();
            tokio::spawn(async move { source.access_token().await.unwrap() })
        })
        .collect();
    fixture.issuer.arrived(1).await;
    fixture.issuer.release();
    let mut tokens = Vec::new();
    for caller in callers {
        tokens.push(caller.await.unwrap());
    }
    assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(fixture.counts(), (1, 0));
}

#[tokio::test]
async fn cancelling_a_caller_does_not_cancel_the_renewal() {
    let fixture = Fixture::new().await;
    fixture.issuer.hold();
    let source = fixture.source.clone();
    let first = tokio::spawn(async move { source.access_token().await });
    fixture.issuer.arrived(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    fixture.issuer.release();
    // This caller joins the renewal, or finds its result. Either way there is one mint.
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (1, 0));
}

#[test]
fn a_renewal_whose_runtime_was_shut_down_is_started_again() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let long_lived = runtime();
    let fixture = long_lived.block_on(Fixture::new());
    fixture.issuer.hold();
    let short_lived = runtime();
    let source = fixture.source.clone();
    short_lived.spawn(async move { source.access_token().await });
    // Enough turns to start the renewal. The stand-in does not respond, because its runtime is not
    // running.
    short_lived.block_on(tokio::task::yield_now());
    short_lived.block_on(tokio::task::yield_now());
    drop(short_lived);
    fixture.issuer.release();
    long_lived.block_on(async {
        fixture.source.access_token().await.unwrap();
        fixture.source.idle().await;
    });
    assert!(fixture.issuer.mints() >= 1);
}

#[tokio::test]
async fn a_fresh_token_is_handed_out_without_a_request() {
    let fixture = Fixture::new().await;
    let first = fixture.source.access_token().await.unwrap();
    // With the random number of the test clock, the refresh is due exactly 300 s before the expiry.
    fixture.clock.advance(std::time::Duration::from_secs(3299));
    assert_eq!(fixture.source.access_token().await.unwrap(), first);
    fixture.source.idle().await;
    assert_eq!(fixture.counts(), (1, 0));
}

#[tokio::test]
async fn callers_do_not_wait_for_a_refresh_of_a_valid_token() {
    let fixture = Fixture::new().await;
    let first = fixture.source.access_token().await.unwrap();
    fixture.clock.advance(ALMOST_AN_HOUR);
    fixture.issuer.hold();
    // The service does not respond, but the old token is valid.
    for _ in 0..10 {
        assert_eq!(fixture.source.access_token().await.unwrap(), first);
    }
    fixture.issuer.release();
    fixture.source.idle().await;
    assert_ne!(fixture.source.access_token().await.unwrap(), first);
    assert_eq!(fixture.counts(), (1, 1));
}

#[tokio::test]
async fn randomness_moves_the_time_of_a_refresh() {
    for (random, due_at) in [(0, 3360), (400, 3240)] {
        let fixture = Fixture::new().await;
        fixture.clock.set_random(random);
        fixture.source.access_token().await.unwrap();
        fixture.clock.advance(std::time::Duration::from_secs(due_at - 1));
        fixture.source.access_token().await.unwrap();
        fixture.source.idle().await;
        assert_eq!(fixture.counts(), (1, 0));
        fixture.clock.advance(std::time::Duration::from_secs(1));
        fixture.source.access_token().await.unwrap();
        fixture.source.idle().await;
        assert_eq!(fixture.counts(), (1, 1));
    }
}

#[tokio::test]
async fn a_short_lived_token_is_refreshed_in_time() {
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .set_access_token_lifetime(std::time::Duration::from_secs(40));
    let first = fixture.source.access_token().await.unwrap();
    fixture.clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(fixture.source.access_token().await.unwrap(), first);
    fixture.source.idle().await;
    assert_eq!(fixture.counts(), (1, 1));
}

#[tokio::test]
async fn an_invalidated_token_is_refreshed_by_the_next_call() {
    let fixture = Fixture::new().await;
    let first = fixture.source.access_token().await.unwrap();
    fixture.source.invalidate(&first);
    let second = fixture.source.access_token().await.unwrap();
    assert_ne!(first, second);
    // A late 401 for the old token does not cause another refresh.
    fixture.source.invalidate(&first);
    assert_eq!(fixture.source.access_token().await.unwrap(), second);
    assert_eq!(fixture.counts(), (1, 1));
}

#[tokio::test]
async fn end_session_revokes_the_session_at_the_service() {
    let fixture = Fixture::new().await;
    fixture.source.end_session().await.unwrap();
    assert_eq!(fixture.issuer.requests(), 0);
    fixture.source.access_token().await.unwrap();
    fixture.source.end_session().await.unwrap();
    assert!(
        fixture
            .issuer
            .seen()
            .last()
            .unwrap()
            .path
            .ends_with("/token/revoke")
    );
    fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.counts(), (2, 0));
}

#[tokio::test]
async fn debug_and_errors_show_no_secrets() {
    let fixture = Fixture::new().await;
    let token = fixture.source.access_token().await.unwrap();
    let shown = format!("{token:?} {:?} {:?}", fixture.source, token.authorization());
    assert!(!shown.contains(token.as_str()));
    assert_eq!(
        token.authorization().to_str().unwrap(),
        format!("Bearer {}", token.as_str())
    );
    // A response that cannot be parsed may contain tokens.
    let tokens = TokenResponse {
        access_token: "SECRET".to_owned(),
        refresh_token: "SECRET".to_owned(),
        expires_in: Timestamp::UNIX_EPOCH,
        token_type: "Bearer".to_owned(),
        key_expires_at: None,
    };
    let body = serde_json::to_string(&tokens)
        .unwrap()
        .replace("1970-01-01T00:00:00Z", "SECRET");
    for _ in 0..4 {
        fixture.issuer.answer_next(200, "application/json", &body);
    }
    fixture.clock.advance(HOUR);
    let error = fixture.source.access_token().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}

#[tokio::test]
async fn a_key_file_without_key_id_is_refused() {
    let fixture = Fixture::new().await;
    let mut file = fixture.issuer.key_file();
    assert!(tm_auth_client::TokenSource::from_key_file(fixture.issuer.api(), &file).is_ok());
    file.key_id = None;
    assert!(matches!(
        tm_auth_client::TokenSource::from_key_file(fixture.issuer.api(), &file),
        Err(TokenError::NotRegistered)
    ));
}

#[tokio::test]
async fn the_coming_expiry_of_a_key_is_logged_once() {
    let log = crate::api::Log::default();
    let _guard = log.capture();
    let fixture = Fixture::new().await;
    let expires_at = "2025-12-14T00:00:00Z".parse().unwrap();
    fixture.issuer.set_key_expiry(Some(expires_at));
    let first = fixture.source.access_token().await.unwrap();
    assert_eq!(fixture.source.key_expires_at(), Some(expires_at));
    fixture.source.invalidate(&first);
    fixture.source.access_token().await.unwrap();
    assert_eq!(
        log.text().matches("register its successor").count(),
        1,
        "{}",
        log.text()
    );
    assert!(!log.text().contains(first.as_str()));
}

#[tokio::test]
async fn an_expiry_in_months_is_not_logged_but_an_error_is() {
    let log = crate::api::Log::default();
    let _guard = log.capture();
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .set_key_expiry(Some("2026-05-01T00:00:00Z".parse().unwrap()));
    fixture.source.access_token().await.unwrap();
    assert!(!log.text().contains("successor"));
    // An error is logged.
    fixture.issuer.refuse_always(Some(ErrorCode::IpNotAllowed));
    fixture.clock.advance(HOUR);
    fixture.source.access_token().await.unwrap_err();
    assert!(log.text().contains("ip_not_allowed"), "{}", log.text());
}
