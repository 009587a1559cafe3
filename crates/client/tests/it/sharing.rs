//! Many tasks, one source.

use jiff::Timestamp;
use tm_auth_client::TokenError;
use tm_auth_client::proto::{ErrorCode, TokenResponse};

use crate::{ALMOST_AN_HOUR, Bench, HOUR};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_at_once_cause_one_mint() {
    let bench = Bench::new().await;
    bench.issuer.hold();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let source = bench.source.clone();
            tokio::spawn(async move { source.access_token().await.unwrap() })
        })
        .collect();
    bench.issuer.arrived(1).await;
    bench.issuer.release();
    let mut tokens = Vec::new();
    for caller in callers {
        tokens.push(caller.await.unwrap());
    }
    assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(bench.counts(), (1, 0));
}

#[tokio::test]
async fn a_cancelled_caller_takes_nothing_with_it() {
    let bench = Bench::new().await;
    bench.issuer.hold();
    let source = bench.source.clone();
    let first = tokio::spawn(async move { source.access_token().await });
    bench.issuer.arrived(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    bench.issuer.release();
    // Whether it joins the flight or finds its result: it is the first caller's mint.
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (1, 0));
}

#[test]
fn a_flight_whose_runtime_went_away_is_flown_again() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let lasting = runtime();
    let bench = lasting.block_on(Bench::new());
    bench.issuer.hold();
    let passing = runtime();
    let source = bench.source.clone();
    passing.spawn(async move { source.access_token().await });
    // Enough turns to start the flight, which the issuer, on a runtime that stands still, does not answer.
    passing.block_on(tokio::task::yield_now());
    passing.block_on(tokio::task::yield_now());
    drop(passing);
    bench.issuer.release();
    lasting.block_on(async {
        bench.source.access_token().await.unwrap();
        bench.source.idle().await;
    });
    assert!(bench.issuer.mints() >= 1);
}

#[tokio::test]
async fn a_fresh_token_is_handed_out_without_a_request() {
    let bench = Bench::new().await;
    let first = bench.source.access_token().await.unwrap();
    // In the middle of the spread, which the test's clock draws, the refresh is due 300 s before the end.
    bench.clock.advance(std::time::Duration::from_secs(3299));
    assert_eq!(bench.source.access_token().await.unwrap(), first);
    bench.source.idle().await;
    assert_eq!(bench.counts(), (1, 0));
}

#[tokio::test]
async fn a_refresh_before_the_end_makes_nobody_wait() {
    let bench = Bench::new().await;
    let first = bench.source.access_token().await.unwrap();
    bench.clock.advance(ALMOST_AN_HOUR);
    bench.issuer.hold();
    // The service does not answer, and yet:
    for _ in 0..10 {
        assert_eq!(bench.source.access_token().await.unwrap(), first);
    }
    bench.issuer.release();
    bench.source.idle().await;
    assert_ne!(bench.source.access_token().await.unwrap(), first);
    assert_eq!(bench.counts(), (1, 1));
}

#[tokio::test]
async fn chance_moves_the_time_of_a_refresh() {
    for (random, due_at) in [(0, 3360), (400, 3240)] {
        let bench = Bench::new().await;
        bench.clock.set_random(random);
        bench.source.access_token().await.unwrap();
        bench.clock.advance(std::time::Duration::from_secs(due_at - 1));
        bench.source.access_token().await.unwrap();
        bench.source.idle().await;
        assert_eq!(bench.counts(), (1, 0));
        bench.clock.advance(std::time::Duration::from_secs(1));
        bench.source.access_token().await.unwrap();
        bench.source.idle().await;
        assert_eq!(bench.counts(), (1, 1));
    }
}

#[tokio::test]
async fn a_short_life_is_refreshed_in_time_too() {
    let bench = Bench::new().await;
    bench
        .issuer
        .set_access_token_life(std::time::Duration::from_secs(40));
    let first = bench.source.access_token().await.unwrap();
    bench.clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(bench.source.access_token().await.unwrap(), first);
    bench.source.idle().await;
    assert_eq!(bench.counts(), (1, 1));
}

#[tokio::test]
async fn an_invalidated_token_is_refreshed_by_the_next_call() {
    let bench = Bench::new().await;
    let first = bench.source.access_token().await.unwrap();
    bench.source.invalidate(&first);
    let second = bench.source.access_token().await.unwrap();
    assert_ne!(first, second);
    // A task that was late with its 401 does not cost another refresh.
    bench.source.invalidate(&first);
    assert_eq!(bench.source.access_token().await.unwrap(), second);
    assert_eq!(bench.counts(), (1, 1));
}

#[tokio::test]
async fn the_end_of_a_session_is_told_to_the_service() {
    let bench = Bench::new().await;
    bench.source.end_session().await.unwrap();
    assert_eq!(bench.issuer.requests(), 0);
    bench.source.access_token().await.unwrap();
    bench.source.end_session().await.unwrap();
    assert!(
        bench
            .issuer
            .seen()
            .last()
            .unwrap()
            .path
            .ends_with("/token/revoke")
    );
    bench.source.access_token().await.unwrap();
    assert_eq!(bench.counts(), (2, 0));
}

#[tokio::test]
async fn nothing_secret_is_in_debug_or_errors() {
    let bench = Bench::new().await;
    let token = bench.source.access_token().await.unwrap();
    let shown = format!("{token:?} {:?} {:?}", bench.source, token.authorization());
    assert!(!shown.contains(token.as_str()));
    assert_eq!(
        token.authorization().to_str().unwrap(),
        format!("Bearer {}", token.as_str())
    );
    // An answer that cannot be read may hold tokens.
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
        bench.issuer.answer_next(200, "application/json", &body);
    }
    bench.clock.advance(HOUR);
    let error = bench.source.access_token().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}

#[tokio::test]
async fn an_unregistered_key_file_makes_no_source() {
    let bench = Bench::new().await;
    let mut file = bench.issuer.key_file();
    assert!(tm_auth_client::TokenSource::from_key_file(bench.issuer.api(), &file).is_ok());
    file.key_id = None;
    assert!(matches!(
        tm_auth_client::TokenSource::from_key_file(bench.issuer.api(), &file),
        Err(TokenError::NotRegistered)
    ));
}

#[tokio::test]
async fn a_key_that_ends_soon_is_logged_once() {
    let log = crate::api::Log::default();
    let _guard = log.capture();
    let bench = Bench::new().await;
    let end = "2025-12-14T00:00:00Z".parse().unwrap();
    bench.issuer.set_key_end(Some(end));
    let first = bench.source.access_token().await.unwrap();
    assert_eq!(bench.source.key_expires_at(), Some(end));
    bench.source.invalidate(&first);
    bench.source.access_token().await.unwrap();
    assert_eq!(
        log.text().matches("register its successor").count(),
        1,
        "{}",
        log.text()
    );
    assert!(!log.text().contains(first.as_str()));
}

#[tokio::test]
async fn a_key_that_ends_in_months_is_not_logged() {
    let log = crate::api::Log::default();
    let _guard = log.capture();
    let bench = Bench::new().await;
    bench
        .issuer
        .set_key_end(Some("2026-05-01T00:00:00Z".parse().unwrap()));
    bench.source.access_token().await.unwrap();
    assert!(!log.text().contains("successor"));
    // A refusal is.
    bench.issuer.refuse_always(Some(ErrorCode::IpNotAllowed));
    bench.clock.advance(HOUR);
    bench.source.access_token().await.unwrap_err();
    assert!(log.text().contains("ip_not_allowed"), "{}", log.text());
}
