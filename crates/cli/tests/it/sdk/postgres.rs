//! Runs the SDK against a service on PostgreSQL. The service runs in this process, so that the test
//! can advance its clock.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tm_auth_client::{AuthApi, Signer, key_file};
use tm_auth_proto::{AccountId, KeyFile, RegisterApiKey};
use tm_auth_server::clock::ManualClock;
use tm_auth_server::config::Database;
use tm_auth_server::{App, Config, serve};
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_testing::postgres::Postgres;

use super::{TestClock, run, verifier};
use crate::dev::{free_port, now, tm_auth};
use crate::platform;

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_mints_and_refreshes() {
    Sandbox::start().await.run(&["mints_and_refreshes"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_calls_the_platform() {
    Sandbox::start().await.run(&["calls_the_platform"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_is_refused_with_an_ended_session_and_mints_again() {
    let sandbox = Sandbox::start().await;
    sandbox
        .run(&["an_ended_session_is_refused_and_a_new_mint_works"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_is_refused_everywhere_with_a_revoked_key() {
    let sandbox = Sandbox::start().await;
    let token = &sandbox.management_token;
    sandbox.run(&["a_revoked_key_is_refused_everywhere", token]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_refreshes_an_expired_token_by_itself() {
    Sandbox::start()
        .await
        .run(&["an_expired_token_is_refreshed"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e19_a_hundred_threads_of_one_sdk_client_survive_two_expiries() {
    Sandbox::start()
        .await
        .run(&["threads_of_one_client_refresh_at_two_expiries", "100"])
        .await;
}

/// A running service with an account that has a key.
struct Sandbox {
    folder: TempDir,
    origin: String,
    clock: Arc<ManualClock>,
    management_token: String,
}

impl Sandbox {
    async fn start() -> Self {
        let folder = TempDir::new().expect("a folder can be created");
        let port = free_port();
        let origin = format!("http://localhost:{port}");
        let config_file = folder.path().join("tm-auth.toml");
        let text = format!(
            "environment = \"uat\"\npublic_url = \"{origin}/v1/auth\"\n\
             [database]\nurl = \"{}\"\n[keys]\nkek = \"{}\"\n[network]\nlisten = [\"127.0.0.1:{port}\"]\n",
            Postgres::shared().database(),
            "q5Xn0fVJ1uH7mW2sKc8tRz4yEoLbA6dGpT3iZxYvNQk=",
        );
        write_private(&config_file, &text);

        let clock = Arc::new(ManualClock::new(now()));
        let config = Config::load(Some(&config_file), []).expect("the configuration is valid");
        let Database::Postgres { url, max_connections } = &config.database else {
            panic!("this is not a PostgreSQL database: {}", config.database)
        };
        let options = PostgresOptions {
            url: url.expose().to_owned(),
            max_connections: *max_connections,
        };
        let store = postgres::open(&options).await.expect("the database opens");
        let app = App::start(config, Arc::new(store), Arc::clone(&clock) as _)
            .await
            .expect("the service starts");
        let bound = serve::bind(app).await.expect("the port is free");
        tokio::spawn(bound.serve(std::future::pending()));

        let operator = |arguments: &[&str]| {
            let mut command = tm_auth();
            let output = command.args(arguments).arg("--config").arg(&config_file).output();
            let output = output.expect("the binary starts");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}: {stderr}");
            String::from_utf8(output.stdout)
                .expect("the output is UTF-8")
                .trim()
                .to_owned()
        };
        let uid = operator(&["accounts", "create"]);
        let management_token = operator(&["accounts", "session", &uid]);
        let sandbox = Self {
            folder,
            origin,
            clock,
            management_token,
        };
        sandbox
            .register(uid.parse().expect("the output is a user id"))
            .await;
        sandbox
    }

    /// Creates a key, registers it and writes the key file.
    async fn register(&self, uid: AccountId) {
        let issuer = format!("{}/v1/auth", self.origin);
        let signer = Signer::generate().expect("the cryptographic library works");
        let proof = signer
            .registration_proof(&issuer, uid, now())
            .expect("the cryptographic library works");
        let request = RegisterApiKey {
            label: "sdk".to_owned(),
            public_key: signer.public_jwk(),
            proof,
            scopes: None,
            expires_at: None,
            allowed_ips: Vec::new(),
            pending: false,
        };
        let api = AuthApi::new(&issuer).expect("the base URL is valid");
        let key = api.register_api_key(&self.management_token, &request).await;
        let file = KeyFile {
            key_id: Some(key.expect("the registration succeeds").key_id),
            ..signer
                .key_file("sdk", now())
                .expect("the cryptographic library works")
        };
        key_file::create(self.key_file(), &file).expect("the file is new");
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.json")
    }

    /// Runs `python/sdk.py` with these arguments.
    async fn run(&self, arguments: &[&str]) {
        let clock = Arc::clone(&self.clock);
        let verifier = verifier(&self.origin, TestClock(Arc::clone(&clock))).await;
        let advance = Arc::new(move |by| clock.advance(by));
        let origin = platform::start(&self.origin, verifier, advance).await;
        run(&self.key_file(), &origin, arguments);
    }
}

/// Writes a file that only its owner can read.
fn write_private(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("the file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the mode can be set");
}
