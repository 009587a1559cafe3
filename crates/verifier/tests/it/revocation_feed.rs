//! How the verifier polls the revocation list, and what it does without a current one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tm_auth_proto::{Environment, KeyId};
use tm_auth_verifier::testing::TestIssuer;
use tm_auth_verifier::{
    Fetch, FetchError, Fetched, InvalidToken, OnStaleRevocations, Revoked, Unavailable, Verifier, VerifyError,
};
use tokio::time::sleep;

use crate::support::{
    AUDIENCE, Fixture, Metrics, Scripted, assert_refresh_fails, document, guarded, send, until,
};

#[tokio::test]
async fn tokens_of_a_revoked_session_key_or_account_are_refused_after_the_next_poll() {
    let fixture = Fixture::new().await;
    let mut of_key = fixture.claims();
    let key_id = KeyId::generate(Environment::Uat, [7; 16]);
    of_key.client_id = key_id.to_string();
    let of_session = fixture.claims();
    let of_account = fixture.claims();
    let mut since = of_account.clone();
    since.iat += 1;
    let others = fixture.good();
    let [of_key, session, account, since] =
        [&of_key, &of_session, &of_account, &since].map(|claims| fixture.issuer.sign(claims));
    for token in [&of_key, &session, &account, &since] {
        fixture.accepts(token).await;
    }
    fixture.issuer.revoke_key(key_id);
    fixture.issuer.revoke_session(of_session.sid);
    fixture.issuer.revoke_account(of_account.uid, of_account.iat + 1);
    fixture.accepts(&session).await;
    fixture.verifier.refresh().await.unwrap();
    fixture
        .refuses(&of_key, InvalidToken::Revoked(Revoked::Key))
        .await;
    fixture
        .refuses(&session, InvalidToken::Revoked(Revoked::Session))
        .await;
    fixture
        .refuses(&account, InvalidToken::Revoked(Revoked::Account))
        .await;
    fixture.accepts(&since).await;
    fixture.accepts(&others).await;

    fixture.issuer.revoke_everything(fixture.claims().iat + 1);
    fixture.verifier.refresh().await.unwrap();
    fixture
        .refuses(&others, InvalidToken::Revoked(Revoked::Everything))
        .await;
    fixture.accepts(&since).await;
}

#[tokio::test(start_paused = true)]
async fn the_list_is_polled_in_the_background() {
    let fixture = Fixture::new().await;
    let claims = fixture.claims();
    let token = fixture.issuer.sign(&claims);
    fixture.issuer.revoke_session(claims.sid);
    let before = fixture.issuer.revocations_fetches();
    sleep(Duration::from_millis(5_501)).await;
    fixture
        .refuses(&token, InvalidToken::Revoked(Revoked::Session))
        .await;
    sleep(Duration::from_mins(1)).await;
    let fetches = fixture.issuer.revocations_fetches() - before;
    assert!((11..=15).contains(&fetches), "{fetches}");
}

#[tokio::test(start_paused = true)]
async fn the_poll_interval_can_be_set() {
    let issuer = TestIssuer::new(Environment::Uat);
    let _verifier = issuer
        .verifier(AUDIENCE)
        .poll_interval(Duration::from_secs(20))
        .build()
        .unwrap();
    sleep(Duration::from_millis(1)).await;
    sleep(Duration::from_millis(17_990)).await;
    assert_eq!(issuer.revocations_fetches(), 1);
    sleep(Duration::from_millis(4_020)).await;
    assert_eq!(issuer.revocations_fetches(), 2);
}

/// A verifier that fetches the revocation list from `list`, and the JWKS from the issuer.
fn scripted(
    issuer: &TestIssuer,
    on_stale: OnStaleRevocations,
    list: impl Fn(Option<&str>) -> Result<Fetched, FetchError> + Send + Sync + 'static,
) -> Verifier {
    let keys = issuer.clone();
    let script = move |url: &str, etag: Option<&str>| {
        if url.ends_with("jwks.json") {
            Ok(document(serde_json::to_vec(&keys.jwks()).unwrap()))
        } else {
            list(etag)
        }
    };
    let builder = issuer.verifier(AUDIENCE).fetch(Scripted(script));
    builder.on_stale_revocations(on_stale).build().unwrap()
}

#[tokio::test]
async fn an_older_list_never_replaces_a_newer_one() {
    let issuer = TestIssuer::new(Environment::Uat);
    let claims = issuer.claims(AUDIENCE);
    let token = issuer.sign(&claims);
    let stale = issuer.sign_revocations(&issuer.revocation_list());
    issuer.clock().advance(30);
    issuer.revoke_session(claims.sid);
    let fresh = issuer.sign_revocations(&issuer.revocation_list());
    let current = Arc::new(Mutex::new(fresh));
    let served = Arc::clone(&current);
    let verifier = scripted(&issuer, OnStaleRevocations::FailOpen, move |_| {
        Ok(document(served.lock().unwrap().clone()))
    });
    verifier.refresh().await.unwrap();
    *current.lock().unwrap() = stale;
    assert_refresh_fails(&verifier, &FetchError::OlderRevocations, "older list").await;
    let error = verifier.verify(&token).await.unwrap_err();
    assert_eq!(
        error,
        VerifyError::InvalidToken(InvalidToken::Revoked(Revoked::Session))
    );
}

#[tokio::test]
async fn a_304_confirms_a_list_only_until_its_exp() {
    let issuer = TestIssuer::new(Environment::Uat);
    let list = issuer.sign_revocations(&issuer.revocation_list());
    let etags = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&etags);
    let verifier = scripted(&issuer, OnStaleRevocations::FailOpen, move |etag| {
        seen.lock().unwrap().push(etag.map(str::to_owned));
        Ok(match etag {
            Some(_) => Fetched::NotModified { max_age: None },
            None => Fetched::Document {
                body: format!("{list}\n").into_bytes(),
                etag: Some("\"v1\"".to_owned()),
                max_age: None,
            },
        })
    });
    verifier.refresh().await.unwrap();
    verifier.refresh().await.unwrap();
    assert_eq!(etags.lock().unwrap().last().unwrap().as_deref(), Some("\"v1\""));
    issuer.clock().advance(129);
    verifier.refresh().await.unwrap();
    issuer.clock().advance(1);
    assert_refresh_fails(&verifier, &FetchError::UnexpectedNotModified, "304").await;
    // The next fetch has no ETag, and the expired list that it gets is refused.
    let expired = FetchError::InvalidRevocations(InvalidToken::Expired);
    assert_refresh_fails(&verifier, &expired, "expired list").await;
    assert_eq!(*etags.lock().unwrap().last().unwrap(), None);
}

#[tokio::test]
async fn a_304_without_a_cached_list_is_an_error() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = scripted(&issuer, OnStaleRevocations::FailOpen, |_| {
        Ok(Fetched::NotModified { max_age: None })
    });
    assert_refresh_fails(&verifier, &FetchError::UnexpectedNotModified, "304").await;
    assert_eq!(verifier.ages().revocations, None);
}

#[tokio::test]
async fn a_list_that_is_not_utf_8_is_refused() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = scripted(&issuer, OnStaleRevocations::FailOpen, |_| Ok(document([0xff])));
    assert_refresh_fails(&verifier, &FetchError::RevocationsNotText, "0xff").await;
}

#[tokio::test(start_paused = true)]
async fn a_list_signed_with_an_unknown_key_causes_a_fetch_of_the_keys() {
    let fixture = Fixture::new().await;
    sleep(Duration::from_secs(40)).await;
    fixture.issuer.rotate();
    let claims = fixture.claims();
    fixture.issuer.revoke_session(claims.sid);
    let before = fixture.issuer.jwks_fetches();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(fixture.issuer.jwks_fetches(), before + 1);
    fixture
        .refuses(
            &fixture.issuer.sign(&claims),
            InvalidToken::Revoked(Revoked::Session),
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_setting_decides_about_tokens_while_the_list_is_stale() {
    for (on_stale, refused) in [
        (OnStaleRevocations::FailOpen, false),
        (OnStaleRevocations::FailClosed, true),
    ] {
        let metrics = Metrics::default();
        let _guard = metrics::set_default_local_recorder(&metrics);
        let stale = || metrics.gauge("tm_auth_verifier_revocations_stale{}");
        let issuer = TestIssuer::new(Environment::Uat);
        let builder = issuer.verifier(AUDIENCE).on_stale_revocations(on_stale);
        let verifier = builder.keys_max_age(Duration::from_hours(5)).build().unwrap();
        verifier.refresh().await.unwrap();
        let app = guarded(&verifier);
        let revoked = issuer.claims(AUDIENCE);
        issuer.revoke_session(revoked.sid);
        verifier.refresh().await.unwrap();
        assert_eq!(stale(), Some(0.0));

        issuer.set_offline(true);
        let token = issuer.sign(&issuer.claims(AUDIENCE));
        let age = verifier.ages().revocations.unwrap();
        sleep(Duration::from_mins(1).checked_sub(age).unwrap()).await;
        verifier.verify(&token).await.unwrap();
        sleep(Duration::from_secs(7)).await;
        assert_eq!(stale(), Some(1.0));
        assert!(
            metrics
                .gauge("tm_auth_verifier_revocations_age_seconds{}")
                .unwrap()
                > 60.0
        );
        assert_eq!(metrics.gauge("tm_auth_verifier_revocations{}"), Some(1.0));
        // A revocation that was seen stays in force either way, and is reported first.
        let error = verifier.verify(&issuer.sign(&revoked)).await.unwrap_err();
        assert_eq!(
            error,
            VerifyError::InvalidToken(InvalidToken::Revoked(Revoked::Session))
        );
        let result = verifier.verify(&token).await.err();
        let unavailable_error = VerifyError::Unavailable(Unavailable::Revocations);
        assert_eq!(result, refused.then_some(unavailable_error));
        assert_eq!(send(&app, &token).await.status(), if refused { 503 } else { 200 });

        issuer.set_offline(false);
        sleep(Duration::from_secs(6)).await;
        verifier.verify(&token).await.unwrap();
        assert_eq!(stale(), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_until_the_list_is_stale_can_be_set() {
    let issuer = TestIssuer::new(Environment::Uat);
    let builder = issuer
        .verifier(AUDIENCE)
        .on_stale_revocations(OnStaleRevocations::FailClosed);
    let verifier = builder
        .revocations_max_stale(Duration::from_secs(20))
        .build()
        .unwrap();
    verifier.refresh().await.unwrap();
    let token = issuer.sign(&issuer.claims(AUDIENCE));
    issuer.set_offline(true);
    tokio::time::advance(Duration::from_secs(20)).await;
    verifier.verify(&token).await.unwrap();
    tokio::time::advance(Duration::from_millis(1)).await;
    let error = verifier.verify(&token).await.unwrap_err();
    assert_eq!(error, VerifyError::Unavailable(Unavailable::Revocations));
}

#[tokio::test(start_paused = true)]
async fn a_verifier_without_revocations_does_not_fetch_the_list() {
    let issuer = TestIssuer::new(Environment::Uat);
    let verifier = issuer.verifier(AUDIENCE).without_revocations().build().unwrap();
    let claims = issuer.claims(AUDIENCE);
    issuer.revoke_session(claims.sid);
    verifier.refresh().await.unwrap();
    sleep(Duration::from_secs(30)).await;
    verifier.verify(&issuer.sign(&claims)).await.unwrap();
    assert_eq!(issuer.revocations_fetches(), 0);
}

/// An issuer whose first response for the JWKS is 503.
struct Late(TestIssuer, AtomicUsize);
impl Fetch for Late {
    fn fetch<'a>(&'a self, request: tm_auth_verifier::FetchRequest<'a>) -> tm_auth_verifier::FetchFuture<'a> {
        if request.url.ends_with("jwks.json") && self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            return Box::pin(async { Err(FetchError::Status(503)) });
        }
        self.0.fetch(request)
    }
}

#[tokio::test]
async fn a_list_that_arrives_before_the_keys_causes_a_fetch_of_the_keys() {
    let issuer = TestIssuer::new(Environment::Uat);
    let failures = AtomicUsize::new(0);
    let builder = issuer.verifier(AUDIENCE).fetch(Late(issuer.clone(), failures));
    let verifier = builder.keys_cool_down(Duration::ZERO).build().unwrap();
    until(|| verifier.ages().revocations.is_some()).await;
    assert!(verifier.ages().keys.is_some());
}
