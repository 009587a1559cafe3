//! An in-memory issuer for the tests of a resource server: real keys, real signatures, a clock that
//! tests set by hand, and no network.
//!
//! 1. [`TestIssuer::new`] generates a signing key.
//! 2. [`TestIssuer::verifier`] starts to build a verifier that takes its documents and its time
//!    from this issuer.
//! 3. [`TestIssuer::claims`] returns ordinary claims to modify, [`TestIssuer::sign`] signs them,
//!    and [`TestIssuer::sign_raw`] signs any header and payload.
//! 4. After a key rotation or a revocation, [`Verifier::refresh`] makes it known at once.

mod clock;
mod key;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tm_auth_proto::claims::{ACCESS_TOKEN_TYP, NATIVE_CLIENT, REVOCATIONS_TYP};
use tm_auth_proto::{
    AccessClaims, AccountId, Audience, Environment, JwkSet, KeyId, OrganizationId, RevocationList, Scopes,
    SessionId, TmClaims,
};

pub use clock::ManualClock;
pub use key::TestKey;

use crate::{
    Algorithm, Clock, Fetch, FetchError, FetchFuture, FetchRequest, Fetched, KeySet, Verifier,
    VerifierBuilder, random,
};

/// The issuer's URL. No request is ever sent to it: `.test` is reserved for tests (RFC 6761).
pub const ISSUER: &str = "https://auth.test/v1/auth";

/// An issuer of access tokens without a network. Clones share their state.
#[derive(Clone)]
pub struct TestIssuer {
    shared: Arc<Shared>,
}

struct Shared {
    environment: Environment,
    algorithm: Algorithm,
    clock: ManualClock,
    state: Mutex<State>,
    offline: AtomicBool,
    jwks_fetches: AtomicUsize,
    revocations_fetches: AtomicUsize,
}

struct State {
    /// The published keys. The last one signs.
    keys: Vec<Arc<TestKey>>,
    generated: usize,
    revision: usize,
    sids: Vec<SessionId>,
    key_ids: Vec<KeyId>,
    uids: Vec<(AccountId, i64)>,
    issued_before: Option<i64>,
}

impl TestIssuer {
    /// Creates an issuer that signs with ES256, because its keys are generated quickly.
    pub fn new(environment: Environment) -> Self {
        Self::with_algorithm(environment, Algorithm::ES256)
    }

    /// Creates an issuer that signs with this algorithm.
    pub fn with_algorithm(environment: Environment, algorithm: Algorithm) -> Self {
        let state = State {
            keys: Vec::new(),
            generated: 0,
            revision: 0,
            sids: Vec::new(),
            key_ids: Vec::new(),
            uids: Vec::new(),
            issued_before: None,
        };
        let shared = Shared {
            environment,
            algorithm,
            clock: ManualClock::default(),
            state: Mutex::new(state),
            offline: AtomicBool::new(false),
            jwks_fetches: AtomicUsize::new(0),
            revocations_fetches: AtomicUsize::new(0),
        };
        let issuer = Self {
            shared: Arc::new(shared),
        };
        issuer.rotate();
        issuer
    }

    /// Starts to build a verifier of this issuer's tokens for this audience.
    pub fn verifier(&self, audience: &str) -> VerifierBuilder {
        Verifier::builder(ISSUER, audience)
            .environment(self.shared.environment)
            .clock(self.clock().clone())
            .fetch(self.clone())
    }

    /// Returns the issuer's clock, which its verifiers share.
    pub fn clock(&self) -> &ManualClock {
        &self.shared.clock
    }

    /// Returns the claims of a user's token: all scopes, a lifetime of one hour, random ids.
    pub fn claims(&self, audience: &str) -> AccessClaims {
        let now = self.clock().now().as_second();
        let uid: AccountId = id();
        AccessClaims {
            iss: ISSUER.to_owned(),
            sub: uid.to_string(),
            aud: Audience::One(audience.to_owned()),
            iat: now,
            nbf: None,
            exp: now + 3600,
            jti: random::hex(),
            client_id: NATIVE_CLIENT.to_owned(),
            scope: Scopes::ALL.to_string(),
            uid,
            tm: TmClaims {
                organization_id: id::<OrganizationId>(),
            },
            sid: id(),
            auth_time: now,
            amr: Vec::new(),
            env: self.shared.environment,
        }
    }

    /// Signs an access token with the current key.
    pub fn sign(&self, claims: &AccessClaims) -> String {
        let payload = serde_json::to_vec(claims).expect("claims are JSON");
        self.sign_raw(&self.header(ACCESS_TOKEN_TYP), &payload)
    }

    /// Returns the header of a document of this type that the current key signs.
    pub fn header(&self, typ: &str) -> Value {
        let key = self.signing_key();
        json!({ "alg": key.algorithm().as_str(), "kid": key.kid(), "typ": typ })
    }

    /// Signs any header and payload with the current key, valid or not.
    pub fn sign_raw(&self, header: &Value, payload: &[u8]) -> String {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.signing_key().sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns the current signing key.
    pub fn signing_key(&self) -> Arc<TestKey> {
        let state = self.state();
        Arc::clone(state.keys.last().expect("an issuer has a key"))
    }

    /// Generates a new signing key. The earlier keys stay published.
    pub fn rotate(&self) {
        let mut state = self.state();
        state.generated += 1;
        state.revision += 1;
        let kid = format!("test-{}", state.generated);
        state
            .keys
            .push(Arc::new(TestKey::generate(&kid, self.shared.algorithm)));
    }

    /// Stops publishing all keys but the current one.
    pub fn retire_old_keys(&self) {
        let mut state = self.state();
        state.revision += 1;
        let old = state.keys.len() - 1;
        state.keys.drain(..old);
    }

    /// Revokes a session.
    pub fn revoke_session(&self, sid: SessionId) {
        self.change(|state| state.sids.push(sid));
    }

    /// Revokes an API key.
    pub fn revoke_key(&self, key: KeyId) {
        self.change(|state| state.key_ids.push(key));
    }

    /// Revokes the tokens of an account that were issued before this Unix second.
    pub fn revoke_account(&self, uid: AccountId, issued_before: i64) {
        self.change(|state| state.uids.push((uid, issued_before)));
    }

    /// Revokes all tokens that were issued before this Unix second.
    pub fn revoke_everything(&self, issued_before: i64) {
        self.change(|state| state.issued_before = Some(issued_before));
    }

    /// Sets whether fetches fail, as if the network were down. By default they succeed.
    pub fn set_offline(&self, offline: bool) {
        self.shared.offline.store(offline, Ordering::Relaxed);
    }

    /// Returns how often the JWKS was requested.
    pub fn jwks_fetches(&self) -> usize {
        self.shared.jwks_fetches.load(Ordering::Relaxed)
    }

    /// Returns how often the revocation list was requested.
    pub fn revocations_fetches(&self) -> usize {
        self.shared.revocations_fetches.load(Ordering::Relaxed)
    }

    /// Returns the published keys.
    pub fn jwks(&self) -> JwkSet {
        JwkSet {
            keys: self.state().keys.iter().map(|key| key.jwk()).collect(),
        }
    }

    /// Returns the published keys, parsed.
    pub fn key_set(&self) -> KeySet {
        KeySet::from_jwks(&self.jwks())
    }

    /// Returns the current revocation list, unsigned.
    pub fn revocation_list(&self) -> RevocationList {
        let now = self.clock().now().as_second();
        let iat = now - now.rem_euclid(30);
        let state = self.state();
        RevocationList {
            iss: ISSUER.to_owned(),
            env: self.shared.environment,
            iat,
            exp: iat + 120,
            sids: state.sids.clone(),
            keys: state.key_ids.clone(),
            uids: state.uids.iter().copied().collect(),
            issued_before: state.issued_before,
        }
    }

    /// Signs a revocation list.
    pub fn sign_revocations(&self, list: &RevocationList) -> String {
        let payload = serde_json::to_vec(list).expect("a revocation list is JSON");
        self.sign_raw(&self.header(REVOCATIONS_TYP), &payload)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        state.revision += 1;
        change(&mut state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a document and its ETag.
    fn document(&self, url: &str) -> (String, String) {
        let revision = self.state().revision;
        if url.ends_with("/.well-known/jwks.json") {
            self.shared.jwks_fetches.fetch_add(1, Ordering::Relaxed);
            let jwks = serde_json::to_string(&self.jwks()).expect("a JWKS is JSON");
            (jwks, format!("\"{revision}\""))
        } else {
            self.shared.revocations_fetches.fetch_add(1, Ordering::Relaxed);
            let list = self.revocation_list();
            (
                self.sign_revocations(&list),
                format!("\"{revision}-{}\"", list.iat),
            )
        }
    }
}

impl Fetch for TestIssuer {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            let (document, etag) = self.document(request.url);
            if self.shared.offline.load(Ordering::Relaxed) {
                return Err(FetchError::transport("the test issuer is offline"));
            }
            if request.etag == Some(&etag) {
                return Ok(Fetched::NotModified { max_age: None });
            }
            Ok(Fetched::Document {
                body: document.into_bytes(),
                etag: Some(etag),
                max_age: None,
            })
        })
    }
}

/// Returns a random id of any type.
fn id<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    random::hex().parse().expect("32 hex digits are a UUID")
}
