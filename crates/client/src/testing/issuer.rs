//! The stand-in: the endpoints that a bot uses, fault switches and counters.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use tm_auth_proto::error::Recover;
use tm_auth_proto::{
    ErrorBody, ErrorCode, Jwk, JwkSet, KeyFile, KeyId, PublicKeyInput, RefreshTokenRequest, TokenResponse,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::http::{Reply, serve};
use super::sessions::SessionStore;
use crate::{AuthApi, Runtime, Signer, TokenSource};

/// A stand-in for the auth service on a loopback port. Stops when it is dropped.
pub struct Issuer {
    shared: Arc<Shared>,
    origin: String,
    accepting: tokio::task::JoinHandle<()>,
}

/// A request that the stand-in received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenRequest {
    /// The method, for example `GET`.
    pub method: String,
    /// The path, beginning with `/v1/auth`.
    pub path: String,
    /// The `Authorization` header, if present.
    pub authorization: Option<String>,
    /// The body, with invalid UTF-8 replaced.
    pub body: String,
}

pub(super) struct Shared {
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
    /// Requests wait while this is true. See [`Issuer::hold`].
    paused: watch::Sender<bool>,
    /// The number of requests that arrived.
    arrived: watch::Sender<usize>,
}

struct State {
    sessions: SessionStore,
    clock_ahead: SignedDuration,
    responses_to_lose: usize,
    scripted: VecDeque<Scripted>,
    always: Option<ErrorCode>,
    retry_after: u64,
    seen: Vec<SeenRequest>,
}

/// The response to the next request, whatever it is.
enum Scripted {
    Error(ErrorCode),
    Raw {
        status: u16,
        content_type: String,
        body: String,
    },
}

impl Issuer {
    /// Starts on a free port. Takes the time from `runtime`.
    pub async fn start(runtime: Arc<dyn Runtime>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let signing_key = Signer::generate().map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            runtime,
            state: Mutex::new(State {
                sessions: SessionStore::new(signing_key, format!("{origin}/v1/auth")),
                clock_ahead: SignedDuration::ZERO,
                responses_to_lose: 0,
                scripted: VecDeque::new(),
                always: None,
                retry_after: 1,
                seen: Vec::new(),
            }),
            paused: watch::Sender::new(false),
            arrived: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            shared,
            origin,
            accepting,
        })
    }

    /// Returns the base URL, for [`AuthApi::new`] or for the variable `TM_BASE_URL`.
    pub fn url(&self) -> &str {
        &self.origin
    }

    /// Creates a client of this stand-in.
    ///
    /// # Panics
    /// If the HTTP client cannot be created.
    pub fn api(&self) -> AuthApi {
        AuthApi::new(&self.origin).expect("the HTTP client can be created")
    }

    /// Registers `key` and returns its new id.
    pub fn register(&self, key: &Signer) -> KeyId {
        self.state().sessions.register(key)
    }

    /// Generates and registers a key, and returns its key file, for code that loads one.
    ///
    /// # Panics
    /// If the cryptographic library fails.
    pub fn key_file(&self) -> KeyFile {
        let key = Signer::generate().expect("key generation succeeds");
        let mut file = key
            .key_file("stand-in", self.shared.runtime.now())
            .expect("a new key can be exported");
        file.key_id = Some(self.register(&key));
        file
    }

    /// Generates and registers a key, and returns a token source for it.
    ///
    /// # Panics
    /// Like [`Issuer::api`] and [`Issuer::key_file`].
    pub fn token_source(&self, runtime: Arc<dyn Runtime>) -> TokenSource {
        let key = Signer::generate().expect("key generation succeeds");
        TokenSource::with_runtime(self.api(), self.register(&key), key, runtime)
    }

    /// Sets the lifetime of new access tokens. By default one hour.
    pub fn set_access_token_lifetime(&self, lifetime: Duration) {
        self.state().sessions.access_token_lifetime = lifetime;
    }

    /// Sets `key_expires_at` of new responses. By default it is absent.
    pub fn set_key_expiry(&self, expires_at: Option<Timestamp>) {
        self.state().sessions.key_expires_at = expires_at;
    }

    /// Sets by how much the stand-in's clock is ahead of the runtime's, or behind if negative. By
    /// default zero.
    pub fn set_clock_ahead(&self, clock_ahead: SignedDuration) {
        self.state().clock_ahead = clock_ahead;
    }

    /// Executes the next `count` requests, but closes the connection instead of responding.
    pub fn lose_responses(&self, count: usize) {
        self.state().responses_to_lose = count;
    }

    /// Responds to the next request with this error. Several calls queue up.
    pub fn refuse_next(&self, code: ErrorCode) {
        self.state().scripted.push_back(Scripted::Error(code));
    }

    /// Responds to every request with this error, until called with `None`.
    pub fn refuse_always(&self, code: Option<ErrorCode>) {
        self.state().always = code;
    }

    /// Sets `Retry-After`, in seconds (by default 1), of `replayed`, `rate_limited` and
    /// `unavailable`.
    pub fn set_retry_after(&self, seconds: u64) {
        self.state().retry_after = seconds;
    }

    /// Responds to the next request with this. Several calls queue up.
    pub fn answer_next(&self, status: u16, content_type: &str, body: &str) {
        self.state().scripted.push_back(Scripted::Raw {
            status,
            content_type: content_type.to_owned(),
            body: body.to_owned(),
        });
    }

    /// Ends every session, as an account's owner can. Refreshes then respond `session_ended`.
    pub fn end_sessions(&self) {
        self.state().sessions.end_all();
    }

    /// Holds every request after it arrives, until [`Issuer::release`].
    pub fn hold(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Executes the held requests and responds to them.
    pub fn release(&self) {
        self.shared.paused.send_replace(false);
    }

    /// Waits until at least `count` requests have arrived since the start.
    pub async fn arrived(&self, count: usize) {
        // Cannot fail: the sender is dropped with `self`.
        self.shared
            .arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await
            .ok();
    }

    /// Returns every request so far, oldest first.
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.state().seen.clone()
    }

    /// Returns the number of mint requests, successful or not.
    pub fn mints(&self) -> usize {
        self.count("/api-key/token")
    }

    /// Returns the number of refresh requests, successful or not.
    pub fn refreshes(&self) -> usize {
        self.count("/token/refresh")
    }

    /// Returns the number of requests.
    pub fn requests(&self) -> usize {
        self.state().seen.len()
    }

    fn count(&self, path: &str) -> usize {
        self.state()
            .seen
            .iter()
            .filter(|seen| seen.path.ends_with(path))
            .count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the response, or `None` if it is to be lost.
    pub(super) async fn respond(&self, seen: SeenRequest) -> Option<Reply> {
        let number = {
            let mut state = self.state();
            state.seen.push(seen.clone());
            state.seen.len()
        };
        self.arrived.send_modify(|arrived| *arrived += 1);
        self.paused.subscribe().wait_for(|paused| !paused).await.ok()?;
        self.state().respond(&seen, self.runtime.now(), number)
    }
}

impl State {
    fn respond(&mut self, seen: &SeenRequest, local: Timestamp, number: usize) -> Option<Reply> {
        let now = local.checked_add(self.clock_ahead).unwrap_or(local);
        let reply = Reply {
            status: 200,
            content_type: "application/json".to_owned(),
            retry_after: None,
            body: Vec::new(),
            date: now,
            request_id: format!("request-{number}"),
        };
        let outcome = match (self.scripted.pop_front(), self.always) {
            (
                Some(Scripted::Raw {
                    status,
                    content_type,
                    body,
                }),
                _,
            ) => {
                return Some(Reply {
                    status,
                    content_type,
                    body: body.into_bytes(),
                    ..reply
                });
            }
            (Some(Scripted::Error(code)), _) | (None, Some(code)) => Err(code),
            (None, None) => self.execute(seen, now),
        };
        if self.responses_to_lose > 0 {
            self.responses_to_lose -= 1;
            return None;
        }
        Some(match outcome {
            Ok(body) => Reply { body, ..reply },
            Err(code) => error_reply(code, self.retry_after, reply),
        })
    }

    fn execute(&mut self, seen: &SeenRequest, now: Timestamp) -> Result<Vec<u8>, ErrorCode> {
        let path = seen.path.strip_prefix("/v1/auth").ok_or(ErrorCode::NotFound)?;
        match (seen.method.as_str(), path) {
            ("POST", "/api-key/token") => to_json(self.sessions.mint(&body(seen)?, now)?),
            ("POST", "/token/refresh") => {
                let request: RefreshTokenRequest = body(seen)?;
                to_json(self.sessions.refresh(&request.refresh_token, now)?)
            }
            ("POST", "/token/revoke") => {
                let request: RefreshTokenRequest = body(seen)?;
                self.sessions.revoke(&request.refresh_token);
                Ok(b"{}".to_vec())
            }
            ("POST", "/email/otc") => Ok(b"{}".to_vec()),
            ("GET", "/.well-known/jwks.json") => {
                serde_json::to_vec(&jwks(self.sessions.signing_key())).map_err(|_| ErrorCode::Internal)
            }
            ("GET", "/revocations") => self.sessions.revocations(now).map(String::into_bytes),
            _ => Err(ErrorCode::NotFound),
        }
    }
}

fn body<T: DeserializeOwned>(seen: &SeenRequest) -> Result<T, ErrorCode> {
    serde_json::from_str(&seen.body).map_err(|_| ErrorCode::InvalidRequest)
}

fn to_json(tokens: TokenResponse) -> Result<Vec<u8>, ErrorCode> {
    serde_json::to_vec(&tokens).map_err(|_| ErrorCode::Internal)
}

fn error_reply(code: ErrorCode, retry_after: u64, reply: Reply) -> Reply {
    let time_matters = code == ErrorCode::TimestampOutOfRange;
    let body = ErrorBody {
        type_: code.type_(),
        code,
        message: code.meaning().trim().to_owned(),
        field_violations: Vec::new(),
        request_id: reply.request_id.clone(),
        retryable: code.retryable(),
        recover: (code.status() == 401).then_some(Recover::ApiKey),
        server_time: time_matters.then_some(reply.date),
        skew_ms: None,
    };
    Reply {
        status: code.status(),
        retry_after: matches!(
            code,
            ErrorCode::Replayed | ErrorCode::RateLimited | ErrorCode::Unavailable
        )
        .then_some(retry_after),
        body: serde_json::to_vec(&body).unwrap_or_default(),
        ..reply
    }
}

fn jwks(key: &Signer) -> JwkSet {
    let member = |name: &str| match key.public_jwk() {
        PublicKeyInput::Jwk(jwk) => jwk.get(name).and_then(|value| value.as_str()).map(str::to_owned),
        PublicKeyInput::Text(_) => None,
    };
    JwkSet {
        keys: vec![Jwk {
            kty: "EC".to_owned(),
            kid: key.fingerprint().to_owned(),
            use_: "sig".to_owned(),
            alg: "ES256".to_owned(),
            n: None,
            e: None,
            crv: member("crv"),
            x: member("x"),
            y: member("y"),
        }],
    }
}
