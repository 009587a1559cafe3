//! The stand-in itself: fault switches, counters, and the few endpoints a bot uses.

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
use super::sessions::Sessions;
use crate::{AuthApi, Runtime, Signer, TokenSource};

/// A stand-in for the auth service on a loopback port. Gone when it is dropped.
pub struct Issuer {
    shared: Arc<Shared>,
    origin: String,
    accepting: tokio::task::JoinHandle<()>,
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `POST` …
    pub method: String,
    /// The path, from `/v1/auth` on.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body.
    pub body: String,
}

pub(super) struct Shared {
    runtime: Arc<dyn Runtime>,
    board: Mutex<Board>,
    /// Requests wait while this is true.
    held: watch::Sender<bool>,
    /// How many requests arrived.
    arrived: watch::Sender<usize>,
}

struct Board {
    sessions: Sessions,
    ahead: SignedDuration,
    lost: usize,
    scripted: VecDeque<Scripted>,
    always: Option<ErrorCode>,
    retry_after: u64,
    seen: Vec<Seen>,
}

/// What the next request is answered, whatever it is.
enum Scripted {
    Refusal(ErrorCode),
    Raw {
        status: u16,
        content_type: String,
        body: String,
    },
}

impl Issuer {
    /// Starts on a free port. Its clock is `runtime`'s.
    pub async fn start(runtime: Arc<dyn Runtime>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let signing_key = Signer::generate().map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            runtime,
            board: Mutex::new(Board {
                sessions: Sessions::new(signing_key, format!("{origin}/v1/auth")),
                ahead: SignedDuration::ZERO,
                lost: 0,
                scripted: VecDeque::new(),
                always: None,
                retry_after: 1,
                seen: Vec::new(),
            }),
            held: watch::Sender::new(false),
            arrived: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            shared,
            origin,
            accepting,
        })
    }

    /// The base URL for [`AuthApi::new`], or for `TM_BASE_URL`.
    pub fn url(&self) -> &str {
        &self.origin
    }

    /// A client of this stand-in.
    ///
    /// # Panics
    /// Where no HTTP client can be set up on this machine.
    pub fn api(&self) -> AuthApi {
        AuthApi::new(&self.origin).expect("a loopback URL is a base URL")
    }

    /// Makes `key` known.
    pub fn register(&self, key: &Signer) -> KeyId {
        self.board().sessions.register(key)
    }

    /// A key file of a new key that is known here, for code that loads one.
    ///
    /// # Panics
    /// Where the cryptographic library fails.
    pub fn key_file(&self) -> KeyFile {
        let key = Signer::generate().expect("the library makes keys");
        let mut file = key
            .key_file("stand-in", self.shared.runtime.now())
            .expect("the library hands out keys");
        file.key_id = Some(self.register(&key));
        file
    }

    /// A token source of a new key that is known here.
    ///
    /// # Panics
    /// As [`Issuer::api`] and [`Issuer::key_file`].
    pub fn token_source(&self, runtime: Arc<dyn Runtime>) -> TokenSource {
        let key = Signer::generate().expect("the library makes keys");
        TokenSource::with_runtime(self.api(), self.register(&key), key, runtime)
    }

    /// How long access tokens live from now on; an hour at first.
    pub fn set_access_token_life(&self, life: Duration) {
        self.board().sessions.life = life;
    }

    /// What `key_expires_at` says from now on.
    pub fn set_key_end(&self, end: Option<Timestamp>) {
        self.board().sessions.key_end = end;
    }

    /// Sets the service's clock ahead of the runtime's (behind, where negative).
    pub fn set_clock_ahead(&self, ahead: SignedDuration) {
        self.board().ahead = ahead;
    }

    /// Carries out the next `count` requests, but closes the connection instead of answering.
    pub fn lose_responses(&self, count: usize) {
        self.board().lost = count;
    }

    /// Refuses the next request; several calls queue up.
    pub fn refuse_next(&self, code: ErrorCode) {
        self.board().scripted.push_back(Scripted::Refusal(code));
    }

    /// Refuses every request, until called with `None`.
    pub fn refuse_always(&self, code: Option<ErrorCode>) {
        self.board().always = code;
    }

    /// The seconds in `Retry-After` of `replayed`, `rate_limited` and `unavailable`; 1 at first.
    pub fn set_retry_after(&self, seconds: u64) {
        self.board().retry_after = seconds;
    }

    /// Answers the next request with this; several calls queue up.
    pub fn answer_next(&self, status: u16, content_type: &str, body: &str) {
        self.board().scripted.push_back(Scripted::Raw {
            status,
            content_type: content_type.to_owned(),
            body: body.to_owned(),
        });
    }

    /// Ends every session, as an owner can: refreshes answer `session_ended`.
    pub fn end_sessions(&self) {
        self.board().sessions.end_all();
    }

    /// Lets requests arrive but not go on, until [`Issuer::release`].
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Lets held requests go on.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// Returns when at least `count` requests have arrived since the start.
    pub async fn arrived(&self, count: usize) {
        // The sender lives as long as this value does.
        self.shared
            .arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await
            .ok();
    }

    /// Every request so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.board().seen.clone()
    }

    /// How many mints were asked for.
    pub fn mints(&self) -> usize {
        self.count("/api-key/token")
    }

    /// How many refreshes were asked for.
    pub fn refreshes(&self) -> usize {
        self.count("/token/refresh")
    }

    /// How many requests arrived.
    pub fn requests(&self) -> usize {
        self.board().seen.len()
    }

    fn count(&self, path: &str) -> usize {
        self.board()
            .seen
            .iter()
            .filter(|seen| seen.path.ends_with(path))
            .count()
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.shared.board()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where the answer is lost.
    pub(super) async fn answer(&self, seen: Seen) -> Option<Reply> {
        let number = {
            let mut board = self.board();
            board.seen.push(seen.clone());
            board.seen.len()
        };
        self.arrived.send_modify(|arrived| *arrived += 1);
        self.held.subscribe().wait_for(|held| !held).await.ok()?;
        self.board().answer(&seen, self.runtime.now(), number)
    }
}

impl Board {
    fn answer(&mut self, seen: &Seen, local: Timestamp, number: usize) -> Option<Reply> {
        let now = local.checked_add(self.ahead).unwrap_or(local);
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
            (Some(Scripted::Refusal(code)), _) | (None, Some(code)) => Err(code),
            (None, None) => self.carry_out(seen, now),
        };
        if self.lost > 0 {
            self.lost -= 1;
            return None;
        }
        Some(match outcome {
            Ok(body) => Reply { body, ..reply },
            Err(code) => refusal(code, self.retry_after, reply),
        })
    }

    fn carry_out(&mut self, seen: &Seen, now: Timestamp) -> Result<Vec<u8>, ErrorCode> {
        let path = seen.path.strip_prefix("/v1/auth").ok_or(ErrorCode::NotFound)?;
        match (seen.method.as_str(), path) {
            ("POST", "/api-key/token") => tokens(self.sessions.mint(&body(seen)?, now)?),
            ("POST", "/token/refresh") => {
                let request: RefreshTokenRequest = body(seen)?;
                tokens(self.sessions.refresh(&request.refresh_token, now)?)
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

fn body<T: DeserializeOwned>(seen: &Seen) -> Result<T, ErrorCode> {
    serde_json::from_str(&seen.body).map_err(|_| ErrorCode::InvalidRequest)
}

fn tokens(tokens: TokenResponse) -> Result<Vec<u8>, ErrorCode> {
    serde_json::to_vec(&tokens).map_err(|_| ErrorCode::Internal)
}

fn refusal(code: ErrorCode, retry_after: u64, reply: Reply) -> Reply {
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
