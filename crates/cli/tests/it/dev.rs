//! Runs `tm-auth dev` for one test, with its own port and folder.

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

/// The deadline for a start. It is long since creating an RSA key may take seconds on a busy
/// machine.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// A running `tm-auth dev`. Dropping it kills the process.
pub(crate) struct Dev {
    child: Child,
    folder: TempDir,
    origin: String,
    /// What the program printed before it was ready.
    pub(crate) printed: String,
}

impl Dev {
    /// Starts the sandbox with these environment variables and waits until it is ready.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder can be created");
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
        // Read for as long as the process lives, so that it never blocks on a full pipe.
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
            let line = lines.recv_timeout(START_DEADLINE).unwrap_or_else(|_| {
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

    /// The origin, which is the audience of its tokens: `http://localhost:PORT`.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The base URL, which is the issuer of its tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/v1/auth", self.origin)
    }

    /// The address that the service listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        let port = self.origin.rsplit_once(':').expect("the origin has a port").1;
        SocketAddr::from(([127, 0, 0, 1], port.parse().expect("the port is a number")))
    }

    /// The process id of the service.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The data folder of the service: configuration, database and key file.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file that `dev` wrote. Administrative commands need it.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder().join("tm-auth.toml")
    }

    /// The demo account's key file.
    pub(crate) fn key_file(&self) -> PathBuf {
        fs::read_dir(self.folder())
            .expect("the folder exists")
            .map(|entry| entry.expect("the folder can be read").path())
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("truemarkets-api-key-"))
            })
            .expect("`dev` wrote the demo key file")
    }

    /// The `uid` of the demo account.
    pub(crate) async fn demo_account(&self) -> String {
        let token = self.mint().await.access_token;
        let payload = CompactJws::parse(&token).expect("the token is a JWS").payload;
        let claims: AccessClaims = serde_json::from_slice(&payload).expect("the payload has the claims");
        claims.uid.to_string()
    }

    /// Issues a management token with `tm-auth accounts session`.
    pub(crate) fn management_token(&self, uid: &str) -> String {
        let output = tm_auth()
            .args(["accounts", "session", "--config"])
            .arg(self.config_file())
            .arg(uid)
            .output()
            .expect("the binary starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "accounts session: {stderr}");
        String::from_utf8(output.stdout)
            .expect("the token is UTF-8")
            .trim()
            .to_owned()
    }

    /// Kills the process and keeps the folder.
    pub(crate) fn stop(&mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process exits");
    }

    /// Mints with the demo key.
    pub(crate) async fn mint(&self) -> TokenResponse {
        let file: KeyFile = key_file::load(self.key_file()).expect("the key file is valid");
        let signer = Signer::from_key_file(&file).expect("the file has a P-256 key");
        let key_id = file.key_id.expect("the key is registered");
        let request = signer.mint_request(key_id, now()).expect("the key signs");
        let api = AuthApi::new(&self.issuer()).expect("the base URL is valid");
        api.mint(&request).await.expect("the demo key mints")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A command that runs the binary without the `TM_*` variables of the test run.
pub(crate) fn tm_auth() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_tm-auth")))
}

/// The command without the `TM_*` variables of the test run.
pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TM_") {
            command.env_remove(name);
        }
    }
    command
}

/// The machine's time: the programs under test have no other clock.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("the listener has an address").port()
}
