//! Runs `tm-auth serve` in a folder that outlives the process, so that a test can kill and restart
//! the server and run administrative commands at the same time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::{AccountId, ErrorCode};
pub(crate) use tm_auth_testing::bot::{Bot, Owner, claims, refresh_counter};
use tm_auth_testing::poll;

use crate::dev::{clean, tm_auth};

/// The deadline for a start. It is long since the machine may be busy.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// A deployment: its folder, port and settings.
pub(crate) struct Service {
    folder: TempDir,
    port: u16,
    settings: Vec<(String, String)>,
    /// What a shell does before it runs the binary as `"$@"`.
    shell: Option<String>,
}

/// A running server. Dropping it kills the process.
pub(crate) struct Running {
    child: Child,
}

impl Service {
    /// Creates a deployment in `uat` with ES256 and limits that no test reaches.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be created");
        let port = free_port();
        let mut service = Self {
            folder,
            port,
            settings: Vec::new(),
            shell: None,
        };
        service.write_kek("kek", 7);
        for (name, value) in [
            ("ENVIRONMENT", "uat".to_owned()),
            ("PUBLIC_URL", format!("http://localhost:{port}/v1/auth")),
            ("NETWORK__LISTEN", format!("127.0.0.1:{port}")),
            ("DATABASE__PATH", service.database().display().to_string()),
            ("TOKENS__ALGORITHM", "ES256".to_owned()),
            ("API_KEYS__MAX_PER_ACCOUNT", "100".to_owned()),
            ("LIMITS__MINTS_PER_KEY_PER_MINUTE", "60000".to_owned()),
            ("LIMITS__REFRESHES_PER_SESSION_PER_MINUTE", "60000".to_owned()),
            ("LIMITS__REQUESTS_PER_NETWORK_PER_MINUTE", "600000".to_owned()),
        ] {
            service.set(name, &value);
        }
        service.set("KEYS__KEK_FILE", &service.path("kek").display().to_string());
        service
    }

    /// Sets a setting. `name` is its environment variable without the prefix `TM_AUTH__`. An empty
    /// value unsets it.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((format!("TM_AUTH__{name}"), value.to_owned()));
    }

    /// Writes a key-encryption key into the folder. The same seed gives the same key.
    pub(crate) fn write_kek(&self, name: &str, seed: u8) {
        use base64::Engine;
        use std::os::unix::fs::PermissionsExt;
        let bytes: [u8; 32] = std::array::from_fn(|index| {
            u8::try_from(index)
                .expect("the index is below 32")
                .wrapping_mul(53)
                .wrapping_add(seed)
                .rotate_left(3)
                ^ seed
        });
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        std::fs::write(self.path(name), text).expect("the file can be written");
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600))
            .expect("the mode can be set");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("tm-auth.db")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://localhost:{}/v1/auth", self.port)
    }

    pub(crate) fn api(&self) -> AuthApi {
        AuthApi::new(&format!("http://127.0.0.1:{}", self.port)).expect("the base URL is valid")
    }

    /// A command that runs the binary with the settings of this deployment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.shell {
            None => tm_auth(),
            Some(script) => {
                let mut shell = clean(Command::new("sh"));
                shell.args(["-c", script, "sh"]).arg(tm_auth().get_program());
                shell
            }
        };
        command
            .args(arguments)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command, which may fail.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Runs a command that must succeed. Returns its standard output without the last line break.
    pub(crate) fn admin(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout)
            .expect("the output is UTF-8")
            .trim_end()
            .to_owned()
    }

    /// Runs a command that must fail with exit code 1. Returns its error message.
    pub(crate) fn failure(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} must fail");
        let stderr = String::from_utf8(output.stderr).expect("the output is UTF-8");
        let line = stderr.lines().last().unwrap_or_default();
        line.strip_prefix("error: ")
            .unwrap_or_else(|| panic!("no error line: {stderr}"))
            .to_owned()
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&self) -> Running {
        Self::start_command(self.command(&["serve"]), self.log())
    }

    /// The log of the servers that [`Service::start`] started.
    pub(crate) fn log(&self) -> PathBuf {
        self.path("service.log")
    }

    /// Runs all commands of this deployment by this shell script, which runs the binary with
    /// `exec … "$@"`.
    pub(crate) fn run_by(&mut self, script: impl Into<String>) {
        self.shell = Some(script.into());
    }

    /// Starts the server with this command, which writes its log to `log`, and waits until it is
    /// ready.
    pub(crate) fn start_logging_to(&self, mut serve: Command, log: impl Into<Stdio>) -> Running {
        let child = serve.stdout(Stdio::null()).stderr(log).spawn();
        let mut child = child.expect("the binary starts");
        poll::until("`tm-auth serve` is ready", START_DEADLINE, || {
            let ended = child.try_wait().expect("the process can be watched");
            // Some tests send the log to this file.
            let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert_eq!(ended, None, "`tm-auth serve` ended: {}", log());
            (self.get("/v1/auth/health/ready").0 == 200).then_some(())
        });
        Running { child }
    }

    /// Sends a GET request. Returns the status, or 0 without an answer, and the body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.address(), path)
    }

    /// Starts the server with this command, keeps its log, and waits until it is ready.
    fn start_command(mut serve: Command, log_file: PathBuf) -> Running {
        let child = serve
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut running = Running { child };
        let stderr = running.child.stderr.take().expect("stderr is piped");
        let (line_sender, lines) = mpsc::channel();
        // Read for as long as the process lives, so that it never blocks on a full pipe.
        thread::spawn(move || {
            let open = |path| File::options().append(true).create(true).open(path);
            let mut log_file = open(log_file).expect("the log can be written");
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writeln!(log_file, "{line}").expect("the log can be written");
                line_sender.send(line).ok();
            }
        });
        let mut log = String::new();
        loop {
            let line = lines
                .recv_timeout(START_DEADLINE)
                .unwrap_or_else(|_| panic!("`tm-auth serve` is not ready; it logged:\n{log}"));
            if line.contains(r#""message":"ready""#) {
                return running;
            }
            log.push_str(&line);
            log.push('\n');
        }
    }

    /// Opens a connection to the database.
    pub(crate) fn connection(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let db = Connection::open_with_flags(self.database(), flags).expect("the database exists");
        db.busy_timeout(Duration::from_secs(5))
            .expect("the timeout can be set");
        db
    }

    /// Creates an account with `tm-auth accounts create`.
    pub(crate) fn account(&self) -> AccountId {
        self.admin(&["accounts", "create"])
            .parse()
            .expect("the output is a user id")
    }

    /// Issues a management token with `tm-auth accounts session`.
    pub(crate) fn management_token(&self, uid: AccountId) -> String {
        self.admin(&["accounts", "session", &uid.to_string()])
    }

    /// Creates a key and registers it over HTTP.
    pub(crate) async fn bot(&self, uid: AccountId, management_token: &str) -> Bot {
        let owner = self.owner(uid, management_token);
        owner
            .register(&self.api())
            .await
            .expect("the registration succeeds")
    }

    /// The owner of an account's keys.
    pub(crate) fn owner(&self, uid: AccountId, management_token: &str) -> Owner {
        let management_token = management_token.to_owned();
        Owner {
            uid,
            issuer: self.issuer(),
            management_token: Box::new(move || management_token.clone()),
        }
    }

    /// Creates an account with one key.
    pub(crate) async fn new_bot(&self) -> Bot {
        let uid = self.account();
        self.bot(uid, &self.management_token(uid)).await
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the server (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process exits");
    }

    /// Asks the server to stop (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status();
        assert!(status.expect("`kill` starts").success());
    }

    /// Waits until the server exits.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("the process exits")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The error code of a refused request.
pub(crate) fn error_code<T>(outcome: Result<T, ApiError>) -> Option<ErrorCode> {
    outcome.err().and_then(|error| error.code())
}

/// Sends a GET request. Returns the status, or 0 without an answer, and the body.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    exchange(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"),
    )
}

/// Posts JSON. Returns the status, or 0 without an answer, and the body.
pub(crate) fn post(address: SocketAddr, path: &str, json: &str) -> (u16, String) {
    let length = json.len();
    exchange(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
        ),
    )
}

fn exchange(address: SocketAddr, request: &str) -> (u16, String) {
    let answer = TcpStream::connect(address).and_then(|mut stream| {
        stream.set_read_timeout(Some(START_DEADLINE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    let answer = answer.unwrap_or_default();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.unwrap_or(0), body.unwrap_or_default())
}

/// Returns a free port, a different one for each service of this process.
///
/// The port is below the range that Linux uses for outgoing connections, so no such connection gets
/// it while the server is down between a kill and the next start.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = u16::try_from(std::process::id() % 400).expect("a number below 400 fits") * 25;
    loop {
        let port = 20_000 + (base + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether the database passes SQLite's integrity check.
pub(crate) fn passes_integrity_check(database: &Path) -> bool {
    let db = Connection::open(database).expect("the database opens");
    let result: String = db
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .expect("the check runs");
    result == "ok"
}
