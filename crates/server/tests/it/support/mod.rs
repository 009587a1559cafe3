//! A running service on its own loopback port, and typed clients for it.

mod answer;
mod at_once;
pub(crate) mod authenticator;
mod browser;
mod database;
mod eventually;
pub(crate) mod html;
pub(crate) mod jwt;
mod key;
mod mailbox;
mod server_time;
pub(crate) mod smtp_server;
mod visitor;

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tm_auth_core::Account;
use tm_auth_core::token::access::{self, Issuer};
use tm_auth_core::user::{AuthMethod, Proof};
use tm_auth_proto::{AccountId, Environment, OrganizationId, SessionId, TokenResponse};
use tm_auth_server::clock::{Clock, ManualClock};
use tm_auth_server::config::{Kek, SigningAlgorithm};
use tm_auth_server::signing_keys::rotation::SigningKeys;
use tm_auth_server::{App, Config, random, serve};
use tm_auth_store::sqlite::Role;
use tm_auth_store::{AuditContext, NewAccount, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use answer::Answer;
pub(crate) use at_once::at_once;
pub(crate) use browser::{HtmlPage, TestBrowser};
pub(crate) use database::{Database, Value as Stored, every_value, execute, fill_with_codes, open, rows};
pub(crate) use eventually::eventually;
pub(crate) use key::TestKey;
pub(crate) use server_time::ServerTime;
pub(crate) use visitor::Visitor;

/// The initial time of a test's clock, in Unix seconds.
pub(crate) const START: i64 = 1_800_000_000;

/// The service, stopped when dropped.
pub(crate) struct TestServer {
    /// `http://localhost:PORT`
    pub(crate) origin: String,
    pub(crate) config: Config,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<Store>,
    pub(crate) app: Arc<App>,
    pub(crate) http: reqwest::Client,
    folder: Arc<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

/// Settings that most tests need. ES256, since generating RSA keys is slow.
fn for_tests(config: &mut Config) {
    config.tokens.algorithm = SigningAlgorithm::ES256;
    // A test sends all its requests from one address while the clock stands still.
    config.limits.requests_per_network_per_minute = 60_000;
}

/// A free port, known before the server binds it since the issuer names it. It is below the
/// ephemeral ports, which the system could give to another connection before the server binds it.
pub(crate) fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    /// A bound UDP port of the same number tells other processes that the port is taken.
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let take = |port: u16| {
        let sign = UdpSocket::bind(("127.0.0.1", port)).ok()?;
        TcpListener::bind(("127.0.0.1", port)).ok()?;
        TAKEN.lock().unwrap().push(sign);
        Some(port)
    };
    let begin = u16::try_from(std::process::id() % 24 * 500).unwrap();
    std::iter::repeat_with(|| 20_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000)
        .find_map(take)
        .unwrap()
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(START).unwrap()));
        Self::start_in(Arc::new(TempDir::new().unwrap()), clock, change).await
    }

    /// Starts on a database that may already exist, as after a restart.
    pub(crate) async fn start_in(
        folder: Arc<TempDir>,
        clock: Arc<ManualClock>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let store = Arc::new(open(&folder, Role::Server).await);
        Self::start_on(store, folder, clock, change).await
    }

    /// Starts another node of the service: the same database, issuer and clock, its own port.
    pub(crate) async fn another_node(&self) -> Self {
        let config = self.config.clone();
        let store = Arc::new(open(&self.folder, Role::Command).await);
        Self::start_on(store, Arc::clone(&self.folder), Arc::clone(&self.clock), |new| {
            let listen = std::mem::take(&mut new.network.listen);
            *new = config;
            new.network.listen = listen;
        })
        .await
    }

    /// Starts on a store that the test opened.
    pub(crate) async fn start_on(
        store: Arc<Store>,
        folder: Arc<TempDir>,
        clock: Arc<ManualClock>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let port = port();
        let origin = format!("http://localhost:{port}");
        let public_url = format!("{origin}/v1/auth").parse().unwrap();
        let kek = Kek::new(std::array::from_fn(|index| {
            u8::try_from(index * 7 % 251).unwrap() ^ 0x5a
        }))
        .unwrap();
        let mut config = Config::new(Environment::Uat, public_url, database::file(&folder), kek);
        config.database = database::of(&folder);
        config.network.listen = vec![([127, 0, 0, 1], port).into()];
        for_tests(&mut config);
        change(&mut config);
        let config = config.check().unwrap();
        let clock_of_app: Arc<dyn Clock> = clock.clone();
        let app = App::start(config.clone(), Arc::clone(&store), clock_of_app)
            .await
            .unwrap();
        let bound = serve::bind(Arc::clone(&app)).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(bound.serve(async {
            let _ = stopped.await;
        }));
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            origin,
            config,
            clock,
            store,
            app,
            http,
            folder,
            stop: Some(stop),
            serving: Some(serving),
        }
    }

    /// The folder of the database, for another node or a thief.
    pub(crate) fn folder(&self) -> &Arc<TempDir> {
        &self.folder
    }

    /// Stops the service and returns what a restart needs.
    pub(crate) async fn stop(mut self) -> (Arc<TempDir>, Arc<ManualClock>) {
        self.stop.take();
        self.serving.take().unwrap().await.unwrap();
        (Arc::clone(&self.folder), Arc::clone(&self.clock))
    }

    /// Ends the service as a crash does: nothing that it would do at a stop happens. Returns what a
    /// restart needs.
    pub(crate) async fn kill(mut self) -> (Arc<TempDir>, Arc<ManualClock>) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        self.stop.take();
        (Arc::clone(&self.folder), Arc::clone(&self.clock))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// If an account is disabled now, the revocation list revokes its tokens issued before this
    /// second. On PostgreSQL it includes the tolerated clock skew between nodes.
    pub(crate) fn revoked_before(&self) -> i64 {
        let ahead = match crate::DATABASE {
            Database::Sqlite => 0,
            Database::Postgres => 10,
        };
        self.now().as_second() + 1 + ahead
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/v1/auth{path}", self.origin)
    }

    pub(crate) fn issuer(&self) -> &str {
        self.config.issuer()
    }

    // --- accounts, keys, tokens ---

    pub(crate) async fn account(&self) -> Account {
        let uid = AccountId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid());
        let organization_id = OrganizationId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid());
        let new = NewAccount {
            uid,
            organization_id,
            email: None,
            created_at: self.now(),
        };
        self.store
            .create_account(new, &AuditContext::operator(self.now()))
            .await
            .unwrap()
            .unwrap()
    }

    /// A management token of an account whose owner has just logged in.
    pub(crate) async fn management_token(&self, account: &Account) -> String {
        self.management_token_signed_in_at(account, self.now()).await
    }

    pub(crate) async fn management_token_signed_in_at(
        &self,
        account: &Account,
        auth_time: Timestamp,
    ) -> String {
        let ring = self.signing_keys().ring().await.unwrap();
        let sid = SessionId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid());
        let proof = Proof {
            method: AuthMethod::Operator,
            at: auth_time,
        };
        let claims = self
            .token_issuer()
            .management_claims(account, sid, proof, random::bytes(), self.now());
        access::sign(&claims, ring.signing()).text
    }

    pub(crate) fn token_issuer(&self) -> Issuer {
        Issuer {
            url: self.issuer().to_owned(),
            audience: self.config.audience().to_owned(),
            environment: self.config.environment,
            access_ttl: SignedDuration::from_secs(i64::from(self.config.tokens.access_ttl_seconds)),
        }
    }

    /// The signing keys as the `signing-keys` command handles them, beside the running service.
    pub(crate) fn signing_keys(&self) -> SigningKeys {
        SigningKeys::new(Arc::clone(&self.store), &self.config)
    }

    /// A new account with one active key.
    pub(crate) async fn key(&self) -> TestKey {
        let account = self.account().await;
        self.key_of(&account).await
    }

    /// Registers a new key over HTTP.
    pub(crate) async fn key_of(&self, account: &Account) -> TestKey {
        let key = TestKey::unregistered(account);
        let body = key.registration(self.issuer(), self.now());
        let answer = self
            .manage(account, reqwest::Method::POST, "/api-keys", Some(body))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        key.registered(answer.body["key_id"].as_str().unwrap().parse().unwrap())
    }

    pub(crate) async fn mint(&self, key: &TestKey) -> TokenResponse {
        let answer = self.post("/api-key/token", &key.challenge(self.now())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_value(answer.body).unwrap()
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post(
            "/token/refresh",
            &serde_json::json!({ "refresh_token": refresh_token }),
        )
        .await
    }

    // --- requests ---

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn get_with(&self, path: &str, token: &str) -> Answer {
        Answer::of(
            self.http
                .get(self.url(path))
                .bearer_auth(token)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.http.post(self.url(path)).json(body).send().await.unwrap()).await
    }

    /// Posts the given bytes and content type unchanged.
    pub(crate) async fn post_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self
            .http
            .post(self.url(path))
            .header("content-type", content_type)
            .body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Sends a request with a fresh management token of the account.
    pub(crate) async fn manage(
        &self,
        account: &Account,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let token = self.management_token(account).await;
        let mut request = self.http.request(method, self.url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    }
}
