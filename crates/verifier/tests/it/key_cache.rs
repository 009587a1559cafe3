//! When the issuer's keys are fetched, and which are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tm_auth_proto::Environment;
use tm_auth_verifier::testing::{ISSUER, TestIssuer, TestKey};
use tm_auth_verifier::{
    Algorithm, BuildError, Fetch, FetchError, FetchRequest, Fetched, Fetching, KeyCache, KeyTimes, Refusal,
    Unavailable, Verifier, VerifyError,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{advance, sleep};

use crate::support::{AUDIENCE, Fixture, Metrics, Scripted, document, guarded, send, text, token, until};

fn of_unknown_key(name: usize) -> String {
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("made-up-{name}") });
    token(&header.to_string(), "{}", "sig")
}

async fn storm(verifier: &Verifier) {
    let mut tasks = JoinSet::new();
    for name in 0..10_000 {
        let (verifier, token) = (verifier.clone(), of_unknown_key(name));
        tasks.spawn(async move { verifier.verify(&token).await });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(
            result.unwrap().unwrap_err(),
            VerifyError::Refused(Refusal::UnknownKey)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn b06_ten_thousand_unknown_names_cost_one_fetch_per_cool_down() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = issuer.verifier(AUDIENCE).without_revocations().build().unwrap();
    verifier.refresh().await.unwrap();
    let before = issuer.jwks_fetches();
    storm(&verifier).await;
    assert_eq!(issuer.jwks_fetches(), before, "within the cool-down: none");
    advance(Duration::from_millis(29_999)).await;
    storm(&verifier).await;
    assert_eq!(issuer.jwks_fetches(), before, "just within the cool-down: none");
    advance(Duration::from_millis(1)).await;
    storm(&verifier).await;
    assert_eq!(issuer.jwks_fetches(), before + 1, "after the cool-down: one");
    // The same where the issuer is down.
    issuer.set_offline(true);
    advance(Duration::from_secs(30)).await;
    storm(&verifier).await;
    storm(&verifier).await;
    assert_eq!(issuer.jwks_fetches(), before + 2);
}

/// An issuer whose every answer waits for a permit.
struct Gated {
    issuer: TestIssuer,
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Fetch for Gated {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> Fetching<'a> {
        Box::pin(async move {
            self.begun.fetch_add(1, Ordering::Relaxed);
            self.gate.acquire().await.unwrap().forget();
            self.issuer.fetch(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn b06_a_fetch_is_shared_and_outlives_the_request_that_asked() {
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
    // The first to ask goes away while the fetch is under way.
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
async fn keys_are_renewed_after_their_max_age() {
    let fixture = Fixture::new().await;
    let before = fixture.issuer.jwks_fetches();
    sleep(Duration::from_secs(269)).await;
    assert_eq!(fixture.issuer.jwks_fetches(), before);
    sleep(Duration::from_secs(62)).await;
    assert_eq!(fixture.issuer.jwks_fetches(), before + 1);
    // A new key is known then, without any token that names it.
    fixture.issuer.rotate();
    fixture.issuer.retire_old_keys();
    sleep(Duration::from_secs(331)).await;
    let before = fixture.issuer.jwks_fetches();
    fixture.accepts(&fixture.good()).await;
    assert_eq!(fixture.issuer.jwks_fetches(), before);
}

#[tokio::test(start_paused = true)]
async fn the_issuers_max_age_counts_between_the_cool_down_and_the_setting() {
    for (said, least, most) in [(100, 90, 110), (1, 27, 33), (100_000, 270, 330)] {
        let issuer = TestIssuer::new(Environment::Uat);
        let jwks = serde_json::to_vec(&issuer.jwks()).unwrap();
        let fetches = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&fetches);
        let scripted = Scripted(move |_: &str, etag: Option<&str>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let max_age = Some(Duration::from_secs(said));
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
            // The next one begins between `least` and `most` after the last: watch the window's edges.
            sleep(Duration::from_millis(least * 1000 - 2)).await;
            assert_eq!(fetches.load(Ordering::Relaxed), count, "max-age {said}");
            while fetches.load(Ordering::Relaxed) == count {
                sleep(Duration::from_millis(1)).await;
                assert!(
                    verifier.ages().keys.unwrap() <= Duration::from_secs(most),
                    "max-age {said}"
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
    // It recovers by itself.
    issuer.set_offline(false);
    sleep(Duration::from_secs(40)).await;
    verifier.verify(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b07_a_verifier_that_starts_before_its_issuer_retries_soon() {
    let issuer = TestIssuer::new(Environment::Uat);
    issuer.set_offline(true);
    let verifier = issuer.verifier(AUDIENCE).without_revocations().build().unwrap();
    let token = issuer.sign(&issuer.claims(AUDIENCE));
    let error = verifier.verify(&token).await.unwrap_err();
    assert_eq!(error, VerifyError::Unavailable(Unavailable::Keys));
    assert_eq!(error.to_string(), "the issuer's keys cannot be had");
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
async fn b07_while_keys_are_held_a_failed_fetch_is_repeated_after_the_cool_down() {
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

/// A verifier whose JWKS is whatever the returned setter says.
fn of_jwks(issuer: &TestIssuer) -> (Verifier, impl Fn(serde_json::Value)) {
    let jwks = Arc::new(std::sync::Mutex::new(Vec::new()));
    let current = Arc::clone(&jwks);
    let scripted = Scripted(move |_: &str, _: Option<&str>| Ok(document(current.lock().unwrap().clone())));
    let verifier = issuer
        .verifier(AUDIENCE)
        .fetch(scripted)
        .without_revocations()
        .build()
        .unwrap();
    let set = move |value: serde_json::Value| *jwks.lock().unwrap() = serde_json::to_vec(&value).unwrap();
    (verifier, set)
}

#[tokio::test]
async fn b08_a_set_is_replaced_whole_and_a_name_is_bound_to_one_key() {
    let issuer = TestIssuer::new(Environment::Uat);
    let (verifier, set) = of_jwks(&issuer);
    let token = issuer.sign(&issuer.claims(AUDIENCE));
    let good = issuer.signing_key().jwk();
    let other = TestKey::generate(&good.kid, Algorithm::ES256).jwk();
    let eddsa = TestKey::generate(&good.kid, Algorithm::EdDSA).jwk();
    let beside = TestKey::generate("beside", Algorithm::ES256).jwk();
    let mut mislabelled = good.clone();
    mislabelled.alg = "RS256".to_owned();
    let cases = [
        (json!([good]), None),
        (json!([beside, good]), None),
        // The name now belongs to other material, of the same and of another algorithm.
        (json!([other]), Some(Refusal::Signature)),
        (json!([eddsa]), Some(Refusal::AlgorithmNotOfKey)),
        // Two keys of one name: neither is trusted, in whatever order, even if one is unusable.
        (json!([good, other, beside]), Some(Refusal::UnknownKey)),
        (json!([other, good, beside]), Some(Refusal::UnknownKey)),
        (json!([good, good, good, beside]), Some(Refusal::UnknownKey)),
        (json!([mislabelled, good, beside]), Some(Refusal::UnknownKey)),
        // Dropped.
        (json!([beside]), Some(Refusal::UnknownKey)),
        (json!([good]), None),
    ];
    for (keys, expected) in cases {
        set(json!({ "keys": keys }));
        verifier.refresh().await.unwrap();
        let refusal = verifier.verify(&token).await.err();
        assert_eq!(refusal, expected.map(VerifyError::Refused), "{keys}");
    }
}

/// An issuer that can fall silent.
struct Stuck(TestIssuer, Arc<AtomicBool>);
impl Fetch for Stuck {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> Fetching<'a> {
        Box::pin(async move {
            if self.1.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.0.fetch(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn b08_a_fetch_that_never_comes_changes_nothing() {
    let issuer = TestIssuer::new(Environment::Uat);
    let stuck = Arc::new(AtomicBool::new(false));
    let fetch = Stuck(issuer.clone(), Arc::clone(&stuck));
    let verifier = issuer.verifier(AUDIENCE).fetch(fetch).build().unwrap();
    verifier.refresh().await.unwrap();
    stuck.store(true, Ordering::Relaxed);
    let begun = tokio::time::Instant::now();
    assert_eq!(verifier.refresh().await.unwrap_err(), FetchError::Timeout);
    assert!(begun.elapsed() >= Duration::from_secs(5));
    verifier
        .verify(&issuer.sign(&issuer.claims(AUDIENCE)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_304_without_a_copy_is_no_answer() {
    let issuer = TestIssuer::new(Environment::Uat);
    let not_modified = |_: &str, _: Option<&str>| Ok(Fetched::NotModified { max_age: None });
    let verifier = issuer
        .verifier(AUDIENCE)
        .fetch(Scripted(not_modified))
        .build()
        .unwrap();
    assert_eq!(
        verifier.refresh().await.unwrap_err(),
        FetchError::NothingToConfirm
    );
}

/// An issuer that holds on to something to be counted.
struct Witnessed(TestIssuer, #[allow(dead_code, reason = "counted")] Arc<()>);
impl Fetch for Witnessed {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> Fetching<'a> {
        self.0.fetch(request)
    }
}

#[tokio::test]
async fn the_tasks_end_with_the_last_verifier() {
    let issuer = TestIssuer::new(Environment::Uat);
    let alive = Arc::new(());
    let witness = Arc::clone(&alive);
    let inner = issuer.clone();
    let verifier = issuer
        .verifier(AUDIENCE)
        .fetch(Witnessed(inner, witness))
        .build()
        .unwrap();
    verifier.refresh().await.unwrap();
    let clone = verifier.clone();
    drop(verifier);
    tokio::task::yield_now().await;
    clone
        .verify(&issuer.sign(&issuer.claims(AUDIENCE)))
        .await
        .unwrap();
    assert!(Arc::strong_count(&alive) > 1);
    drop(clone);
    until(|| Arc::strong_count(&alive) == 1).await;
}

#[tokio::test]
async fn outcomes_are_counted() {
    let metrics = Metrics::default();
    let _guard = metrics::set_default_local_recorder(&metrics);
    let fixture = Fixture::new().await;
    fixture.verifier.verify(&fixture.good()).await.unwrap();
    fixture.verifier.verify("x").await.unwrap_err();
    fixture.verifier.verify(&of_unknown_key(0)).await.unwrap_err();
    fixture.issuer.set_offline(true);
    fixture.verifier.refresh().await.unwrap_err();
    assert_eq!(metrics.get("tm_auth_verifier_tokens_total{accepted}"), 1);
    assert_eq!(metrics.get("tm_auth_verifier_tokens_total{form}"), 1);
    assert_eq!(metrics.get("tm_auth_verifier_tokens_total{key}"), 1);
    assert_eq!(metrics.get("tm_auth_verifier_fetches_total{jwks,failed}"), 1);
    assert!(metrics.get("tm_auth_verifier_fetches_total{jwks,ok}") >= 1);
    assert!(metrics.get("tm_auth_verifier_fetches_total{revocations,ok}") >= 1);
    assert_eq!(metrics.gauge("tm_auth_verifier_keys{}"), Some(1.0));
    assert_eq!(
        metrics.gauge("tm_auth_verifier_revocations_unavailable{}"),
        Some(0.0)
    );
}

#[test]
fn a_verifier_needs_a_runtime_and_private_addresses() {
    let error = Verifier::builder("https://auth.test", AUDIENCE)
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::NoRuntime));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let error = Verifier::builder("http://auth.test", AUDIENCE)
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::Url(url) if url == "http://auth.test/.well-known/jwks.json"));
    let error = Verifier::builder("https://auth.test/", AUDIENCE)
        .jwks_url("nonsense")
        .build()
        .unwrap_err();
    assert!(matches!(error, BuildError::Url(url) if url == "nonsense"));
    let builder = Verifier::builder("https://auth.test/", AUDIENCE);
    let error = builder.revocations_url("http://auth.test/r").build().unwrap_err();
    assert!(matches!(error, BuildError::Url(url) if url == "http://auth.test/r"));
    Verifier::builder("https://auth.test/v1/auth/", AUDIENCE)
        .build()
        .unwrap();
}

#[tokio::test]
async fn the_documents_are_asked_for_under_the_issuer() {
    let issuer = TestIssuer::new(Environment::Uat);
    let urls = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&urls);
    let jwks = serde_json::to_vec(&issuer.jwks()).unwrap();
    let scripted = Scripted(move |url: &str, _: Option<&str>| {
        seen.lock().unwrap().push(url.to_owned());
        Ok(document(jwks.clone()))
    });
    let verifier = Verifier::builder("https://auth.test/v1/auth", AUDIENCE)
        .fetch(scripted)
        .build()
        .unwrap();
    verifier.refresh().await.unwrap_err();
    let urls = urls.lock().unwrap();
    assert!(urls.contains(&"https://auth.test/v1/auth/.well-known/jwks.json".to_owned()));
    assert!(urls.contains(&"https://auth.test/v1/auth/revocations".to_owned()));
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
