//! Which keys the cache uses after a fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tm_auth_proto::Environment;
use tm_auth_verifier::testing::{TestIssuer, TestKey};
use tm_auth_verifier::{
    Algorithm, Fetch, FetchError, FetchFuture, FetchRequest, Fetched, InvalidToken, Verifier, VerifyError,
};

use crate::support::{AUDIENCE, Scripted, assert_refresh_fails, document};

/// Returns a verifier, and a function that sets the JWKS that it fetches.
fn verifier_with_jwks(issuer: &TestIssuer) -> (Verifier, impl Fn(serde_json::Value)) {
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
async fn b08_a_set_is_replaced_as_a_whole_and_a_kid_names_one_key() {
    let issuer = TestIssuer::new(Environment::Uat);
    let (verifier, set) = verifier_with_jwks(&issuer);
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
        // The `kid` now names another key, of the same and of another algorithm.
        (json!([other]), Some(InvalidToken::BadSignature)),
        (json!([eddsa]), Some(InvalidToken::AlgorithmMismatch)),
        // Two keys with one `kid`: neither is used, in either order, even if one is unusable.
        (json!([good, other, beside]), Some(InvalidToken::UnknownKey)),
        (json!([other, good, beside]), Some(InvalidToken::UnknownKey)),
        (json!([good, good, good, beside]), Some(InvalidToken::UnknownKey)),
        (json!([mislabelled, good, beside]), Some(InvalidToken::UnknownKey)),
        // The key is removed.
        (json!([beside]), Some(InvalidToken::UnknownKey)),
        (json!([good]), None),
    ];
    for (keys, expected) in cases {
        set(json!({ "keys": keys }));
        verifier.refresh().await.unwrap();
        let error = verifier.verify(&token).await.err();
        assert_eq!(error, expected.map(VerifyError::InvalidToken), "{keys}");
    }
}

/// An issuer that can stop responding.
struct Stuck(TestIssuer, Arc<AtomicBool>);
impl Fetch for Stuck {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            if self.1.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.0.fetch(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn b08_a_fetch_that_times_out_changes_nothing() {
    let issuer = TestIssuer::new(Environment::Uat);
    let stuck = Arc::new(AtomicBool::new(false));
    let fetch = Stuck(issuer.clone(), Arc::clone(&stuck));
    let verifier = issuer.verifier(AUDIENCE).fetch(fetch).build().unwrap();
    verifier.refresh().await.unwrap();
    stuck.store(true, Ordering::Relaxed);
    let start = tokio::time::Instant::now();
    assert_refresh_fails(&verifier, &FetchError::Timeout, "no response").await;
    assert!(start.elapsed() >= Duration::from_secs(5));
    verifier
        .verify(&issuer.sign(&issuer.claims(AUDIENCE)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_304_without_cached_keys_is_an_error() {
    let issuer = TestIssuer::new(Environment::Uat);
    let not_modified = |_: &str, _: Option<&str>| Ok(Fetched::NotModified { max_age: None });
    let verifier = issuer
        .verifier(AUDIENCE)
        .fetch(Scripted(not_modified))
        .build()
        .unwrap();
    assert_refresh_fails(&verifier, &FetchError::UnexpectedNotModified, "304").await;
}
