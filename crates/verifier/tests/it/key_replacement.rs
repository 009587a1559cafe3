//! Which keys are in use after a fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tm_auth_proto::Environment;
use tm_auth_verifier::testing::{TestIssuer, TestKey};
use tm_auth_verifier::{
    Algorithm, Fetch, FetchError, FetchFuture, FetchRequest, Fetched, InvalidToken, Verifier, VerifyError,
};

use crate::support::{AUDIENCE, Scripted, document};

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
        (json!([other]), Some(InvalidToken::BadSignature)),
        (json!([eddsa]), Some(InvalidToken::AlgorithmMismatch)),
        // Two keys of one name: neither is trusted, in whatever order, even if one is unusable.
        (json!([good, other, beside]), Some(InvalidToken::UnknownKey)),
        (json!([other, good, beside]), Some(InvalidToken::UnknownKey)),
        (json!([good, good, good, beside]), Some(InvalidToken::UnknownKey)),
        (json!([mislabelled, good, beside]), Some(InvalidToken::UnknownKey)),
        // Dropped.
        (json!([beside]), Some(InvalidToken::UnknownKey)),
        (json!([good]), None),
    ];
    for (keys, expected) in cases {
        set(json!({ "keys": keys }));
        verifier.refresh().await.unwrap();
        let refusal = verifier.verify(&token).await.err();
        assert_eq!(refusal, expected.map(VerifyError::InvalidToken), "{keys}");
    }
}

/// An issuer that can fall silent.
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
        FetchError::UnexpectedNotModified
    );
}
