//! How a verifier is built, what it counts, and when its background tasks end.

use std::sync::Arc;

use tm_auth_proto::Environment;
use tm_auth_verifier::testing::TestIssuer;
use tm_auth_verifier::{BuildError, Fetch, FetchFuture, FetchRequest, Verifier};

use crate::key_cache::token_with_unknown_kid;
use crate::support::{AUDIENCE, Fixture, Metrics, Scripted, document, until};

/// An issuer with a reference that the test counts, to learn when the issuer is dropped.
struct Witnessed(TestIssuer, #[allow(dead_code, reason = "counted")] Arc<()>);
impl Fetch for Witnessed {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        self.0.fetch(request)
    }
}

#[tokio::test]
async fn the_background_tasks_end_with_the_last_clone() {
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
async fn outcomes_are_counted_in_metrics() {
    let metrics = Metrics::default();
    let _guard = metrics::set_default_local_recorder(&metrics);
    let fixture = Fixture::new().await;
    fixture.verifier.verify(&fixture.good()).await.unwrap();
    fixture.verifier.verify("x").await.unwrap_err();
    fixture
        .verifier
        .verify(&token_with_unknown_kid(0))
        .await
        .unwrap_err();
    fixture.issuer.set_offline(true);
    fixture.verifier.refresh().await.unwrap_err();
    assert_eq!(metrics.get("tm_auth_verifier_tokens_total{accepted}"), 1);
    assert_eq!(metrics.get("tm_auth_verifier_tokens_total{form}"), 1);
    assert_eq!(metrics.get("tm_auth_verifier_tokens_total{key}"), 1);
    assert_eq!(metrics.get("tm_auth_verifier_fetches_total{jwks,failed}"), 1);
    assert!(metrics.get("tm_auth_verifier_fetches_total{jwks,ok}") >= 1);
    assert!(metrics.get("tm_auth_verifier_fetches_total{revocations,ok}") >= 1);
    assert_eq!(metrics.gauge("tm_auth_verifier_keys{}"), Some(1.0));
    assert_eq!(metrics.gauge("tm_auth_verifier_revocations_stale{}"), Some(0.0));
}

#[test]
fn a_verifier_needs_a_runtime_and_secure_urls() {
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
async fn the_default_urls_are_below_the_issuer() {
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
