//! When the key cache fetches the issuer's keys, and how long it uses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tm_auth_proto::Environment;
use tm_auth_verifier::testing::{ISSUER, TestIssuer};
use tm_auth_verifier::{
    Fetch, FetchFuture, FetchRequest, Fetched, InvalidToken, KeyCache, KeyTimes, Unavailable, Verifier,
    VerifyError,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use crate::support::{AUDIENCE, Fixture, Scripted, guarded, send, text, token, until};

/// A token whose `kid` is unknown, and different for each `name`.
pub(crate) fn token_with_unknown_kid(name: usize) -> String {
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("made-up-{name}") });
    token(&header.to_string(), "{}", "sig")
}

/// Verifies 10,000 tokens with different unknown `kid`s at the same time.
async fn verify_ten_thousand(verifier: &Verifier) {
    let mut tasks = JoinSet::new();
    for name in 0..10_000 {
        let (verifier, token) = (verifier.clone(), token_with_unknown_kid(name));
        tasks.spawn(async move { verifier.verify(&token).await });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(
            result.unwrap().unwrap_err(),
            VerifyError::InvalidToken(InvalidToken::UnknownKey)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn b06_ten_thousand_unknown_kids_cause_one_fetch_per_cool_down() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = issuer.verifier(AUDIENCE).without_revocations().build().unwrap();
    verifier.refresh().await.unwrap();
    let before = issuer.jwks_fetches();
    verify_ten_thousand(&verifier).await;
    assert_eq!(issuer.jwks_fetches(), before, "no fetch within the cool-down");
    advance(Duration::from_millis(29_999)).await;
    verify_ten_thousand(&verifier).await;
    assert_eq!(
        issuer.jwks_fetches(),
        before,
        "no fetch just before the end of the cool-down"
    );
    advance(Duration::from_millis(1)).await;
    verify_ten_thousand(&verifier).await;
    assert_eq!(issuer.jwks_fetches(), before + 1, "one fetch after the cool-down");
    // The same while the issuer is down.
    issuer.set_offline(true);
    advance(Duration::from_secs(30)).await;
    verify_ten_thousand(&verifier).await;
    verify_ten_thousand(&verifier).await;
    assert_eq!(issuer.jwks_fetches(), before + 2);
}

/// An issuer whose responses each wait for a permit.
struct Gated {
    issuer: TestIssuer,
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Fetch for Gated {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            self.begun.fetch_add(1, Ordering::Relaxed);
            self.gate.acquire().await.unwrap().forget();
            self.issuer.fetch(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn b06_a_fetch_is_shared_and_survives_cancellation_of_its_request() {
    let issuer = TestIssuer::new(Environment::Uat);
    let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(1)));
    let gated = Gated {
        issuer: issuer.clone(),
        begun: Arc::clone(&begun),
        gate: Arc::clone(&gate),
    };
    let builder = issuer.verifier(AUDIENCE).fetch(gated).without_revocations();
    let verifier = builder.timeout(Duration::from_hours(1)).build().unwrap();
    verifier.refresh().await.unwrap();
    sleep(Duration::from_secs(40)).await;
    let before = begun.load(Ordering::Relaxed);
    assert_eq!((before, gate.available_permits()), (1, 0));

    issuer.rotate();
    let token = issuer.sign(&issuer.claims(AUDIENCE));
    // The request that started the fetch is cancelled while the fetch is running.
    let first = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await }
    });
    until(|| begun.load(Ordering::Relaxed) > before).await;
    first.abort();
    first.await.unwrap_err();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (verifier, token) = (verifier.clone(), token.clone());
        tasks.spawn(async move { verifier.verify(&token).await });
    }
    tokio::task::yield_now().await;
    gate.add_permits(1);
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(begun.load(Ordering::Relaxed), before + 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_after_their_max_age() {
    let fixture = Fixture::new().await;
    let before = fixture.issuer.jwks_fetches();
    sleep(Duration::from_secs(269)).await;
    assert_eq!(fixture.issuer.jwks_fetches(), before);
    sleep(Duration::from_secs(62)).await;
    assert_eq!(fixture.issuer.jwks_fetches(), before + 1);
    // Then a new key is known before any token names it.
    fixture.issuer.rotate();
    fixture.issuer.retire_old_keys();
    sleep(Duration::from_secs(331)).await;
    let before = fixture.issuer.jwks_fetches();
    fixture.accepts(&fixture.good()).await;
    assert_eq!(fixture.issuer.jwks_fetches(), before);
}

#[tokio::test(start_paused = true)]
async fn the_issuers_max_age_is_limited_by_the_cool_down_and_the_setting() {
    for (advertised, least, most) in [(100, 90, 110), (1, 27, 33), (100_000, 270, 330)] {
        let issuer = TestIssuer::new(Environment::Uat);
        let jwks = serde_json::to_vec(&issuer.jwks()).unwrap();
        let fetches = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&fetches);
        let scripted = Scripted(move |_: &str, etag: Option<&str>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let max_age = Some(Duration::from_secs(advertised));
            Ok(match etag {
                Some("\"v1\"") => Fetched::NotModified { max_age },
                _ => Fetched::Document {
                    body: jwks.clone(),
                    etag: Some("\"v1\"".into()),
                    max_age,
                },
            })
        });
        let verifier = issuer
            .verifier(AUDIENCE)
            .fetch(scripted)
            .without_revocations()
            .build()
            .unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
        for count in 1..3 {
            // The next fetch begins between `least` and `most` seconds after the last one.
            sleep(Duration::from_millis(least * 1000 - 2)).await;
            assert_eq!(fetches.load(Ordering::Relaxed), count, "max-age {advertised}");
            while fetches.load(Ordering::Relaxed) == count {
                sleep(Duration::from_millis(1)).await;
                assert!(
                    verifier.ages().keys.unwrap() <= Duration::from_secs(most),
                    "max-age {advertised}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b07_keys_are_used_for_a_bounded_time_without_the_issuer() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = issuer.verifier(AUDIENCE).without_revocations().build().unwrap();
    verifier.refresh().await.unwrap();
    let app = guarded(&verifier);
    let token = issuer.sign(&issuer.claims(AUDIENCE));
    issuer.set_offline(true);
    advance(Duration::from_hours(24) - Duration::from_millis(1)).await;
    verifier.verify(&token).await.unwrap();
    advance(Duration::from_millis(1)).await;
    let error = verifier.verify(&token).await.unwrap_err();
    assert_eq!(error, VerifyError::Unavailable(Unavailable::Keys));
    let response = send(&app, &token).await;
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("www-authenticate"));
    assert!(text(response).await.contains(r#""code":"unavailable""#));
    // The verifier recovers by itself.
    issuer.set_offline(false);
    sleep(Duration::from_secs(40)).await;
    verifier.verify(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b07_a_verifier_without_keys_retries_after_five_seconds() {
    let issuer = TestIssuer::new(Environment::Uat);
    issuer.set_offline(true);
    let verifier = issuer.verifier(AUDIENCE).without_revocations().build().unwrap();
    let token = issuer.sign(&issuer.claims(AUDIENCE));
    let error = verifier.verify(&token).await.unwrap_err();
    assert_eq!(error, VerifyError::Unavailable(Unavailable::Keys));
    assert_eq!(error.to_string(), "the issuer's keys are not available");
    assert_eq!(verifier.explain(&token).unwrap_err(), Unavailable::Keys);
    assert_eq!((verifier.ages().keys, issuer.jwks_fetches()), (None, 1));
    issuer.set_offline(false);
    sleep(Duration::from_millis(4_400)).await;
    assert_eq!(issuer.jwks_fetches(), 1);
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(issuer.jwks_fetches(), 2);
    verifier.verify(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b07_a_verifier_with_keys_retries_after_the_cool_down() {
    let fixture = Fixture::new().await;
    fixture.issuer.set_offline(true);
    sleep(Duration::from_secs(331)).await;
    let before = fixture.issuer.jwks_fetches();
    sleep(Duration::from_secs(100)).await;
    let fetches = fixture.issuer.jwks_fetches() - before;
    assert!((3..=4).contains(&fetches), "{fetches}");
}

#[tokio::test(start_paused = true)]
async fn the_first_token_waits_for_the_first_keys() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = issuer.verifier(AUDIENCE).build().unwrap();
    verifier
        .verify(&issuer.sign(&issuer.claims(AUDIENCE)))
        .await
        .unwrap();
    assert_eq!(issuer.jwks_fetches(), 1);
}

#[tokio::test]
async fn b06_b07_a_cache_on_its_own_fetches_when_it_is_due_and_once_per_cool_down() {
    let issuer = TestIssuer::new(Environment::Uat);
    let old = issuer.signing_key().kid().to_owned();
    let mut times = KeyTimes::default();
    times.max_age = Duration::from_hours(1);
    times.cool_down = Duration::from_mins(1);
    let seconds = Arc::new(AtomicU64::new(1_000_000));
    let clock = Arc::clone(&seconds);
    let elapsed = move || Duration::from_secs(clock.load(Ordering::Relaxed));
    let url = format!("{ISSUER}/.well-known/jwks.json");
    let cache = Arc::new(KeyCache::new(Arc::new(issuer.clone()), url, times, elapsed));
    assert_eq!(issuer.jwks_fetches(), 0, "not before a token comes");
    let fetched = async |kid: &str| {
        let keys = cache.keys_for(kid).await;
        (keys.is_some_and(|keys| keys.contains(kid)), issuer.jwks_fetches())
    };
    issuer.set_offline(true);
    assert_eq!(fetched(&old).await, (false, 1));
    issuer.set_offline(false);
    assert_eq!(fetched(&old).await, (false, 1), "within the cool-down");
    seconds.fetch_add(60, Ordering::Relaxed);
    assert_eq!(fetched(&old).await, (true, 2));
    assert_eq!(fetched(&old).await, (true, 2));

    // A name that is not in the set.
    issuer.rotate();
    let new = issuer.signing_key().kid().to_owned();
    seconds.fetch_add(59, Ordering::Relaxed);
    assert_eq!(fetched(&new).await, (false, 2));
    seconds.fetch_add(1, Ordering::Relaxed);
    assert_eq!(fetched(&new).await, (true, 3));
    assert_eq!(fetched("made-up").await, (false, 3));
    // A set that is due, with the issuer there and without it.
    seconds.fetch_add(3599, Ordering::Relaxed);
    assert_eq!(fetched(&old).await, (true, 3));
    seconds.fetch_add(1, Ordering::Relaxed);
    assert_eq!(fetched(&old).await, (true, 4));
    issuer.set_offline(true);
    seconds.fetch_add(24 * 3600 - 1, Ordering::Relaxed);
    assert_eq!(fetched(&old).await, (true, 5));
    seconds.fetch_add(1, Ordering::Relaxed);
    assert_eq!(fetched(&old).await, (false, 5), "too old");
    // A clock that was set back makes a set no younger.
    issuer.set_offline(false);
    seconds.fetch_add(60, Ordering::Relaxed);
    assert_eq!(fetched(&old).await, (true, 6));
    seconds.fetch_sub(3600, Ordering::Relaxed);
    assert_eq!(fetched(&old).await, (true, 7));
}
