//! A running `tm-auth dev` of a test's own: its own port, its own folder, ended with the value.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tm_auth_client::{AuthApi, Signer, key_file};
use tm_auth_proto::{AccessClaims, CompactJws, KeyFile, TokenResponse};
use tm_auth_verifier::{Clock, SystemClock};

/// Generous: making an RSA key alone may take seconds on a busy machine.
const START: Duration = Duration::from_mins(1);

/// `tm-auth dev`. Dropping it kills the process.
pub(crate) struct Dev {
    child: Child,
    folder: TempDir,
    origin: String,
    /// What the program printed before it was ready.
    pub(crate) printed: String,
}

impl Dev {
    /// Starts one with these variables in its environment.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let port = free_port();
        let mut child = tm_auth()
            .args(["dev", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(folder.path())
            .current_dir(folder.path())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let (line_sender, lines) = mpsc::channel();
        // Reads on for as long as the process lives, so that it never waits for room in the pipe.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                line_sender.send(line).ok();
            }
        });
        let mut dev = Self {
            child,
            folder,
            origin: format!("http://localhost:{port}"),
            printed: String::new(),
        };
        loop {
            let line = lines.recv_timeout(START).unwrap_or_else(|_| {
                panic!("`tm-auth dev` is not ready; it printed:\n{}", dev.printed);
            });
            if let Some(origin) = line.strip_prefix("ready ") {
                assert_eq!(origin, dev.origin);
                return dev;
            }
            dev.printed.push_str(&line);
            dev.printed.push('\n');
        }
    }

    /// `http://localhost:PORT`: the audience of its tokens.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The base path, which is the issuer of its tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/v1/auth", self.origin)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let port = self.origin.rsplit_once(':').expect("an origin with a port").1;
        SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder: configuration, database and key file.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration it wrote, which administrative commands take.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder().join("tm-auth.toml")
    }

    /// The demo account's key file.
    pub(crate) fn key_file(&self) -> PathBuf {
        fs::read_dir(self.folder())
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").path())
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("truemarkets-api-key-"))
            })
            .expect("`dev` wrote the demo key file")
    }

    /// The `uid` of the demo account.
    pub(crate) async fn demo_account(&self) -> String {
        let token = self.mint().await.access_token;
        let payload = CompactJws::parse(&token).expect("a JWS").payload;
        let claims: AccessClaims = serde_json::from_slice(&payload).expect("claims");
        claims.uid.to_string()
    }

    /// A token that manages the account's keys, from the operator's command.
    pub(crate) fn management_token(&self, uid: &str) -> String {
        let output = tm_auth()
            .args(["accounts", "session", "--config"])
            .arg(self.config_file())
            .arg(uid)
            .output()
            .expect("the binary starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "accounts session: {told}");
        String::from_utf8(output.stdout)
            .expect("a token")
            .trim()
            .to_owned()
    }

    /// Ends the process; the folder stays.
    pub(crate) fn stop(&mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("it ends");
    }

    /// Mints with the demo key.
    pub(crate) async fn mint(&self) -> TokenResponse {
        let file: KeyFile = key_file::load(self.key_file()).expect("a key file");
        let signer = Signer::from_key_file(&file).expect("a P-256 key");
        let key_id = file.key_id.expect("a registered key");
        let request = signer.mint_request(key_id, now()).expect("a signature");
        let api = AuthApi::new(&self.issuer()).expect("a base URL");
        api.mint(&request).await.expect("the demo key mints")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The binary, with no setting from the environment of the test run.
pub(crate) fn tm_auth() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tm-auth"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TM_") {
            command.env_remove(name);
        }
    }
    command
}

/// The machine's time: these tests run real programs, which know no other.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
