//! The server under measurement: `tm-auth dev` in a temporary folder on a free port.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tm_auth_client::{AuthApi, Signer, key_file};
use tm_auth_proto::KeyId;

/// A running server. Dropping it kills the process.
pub(crate) struct Server {
    process: Child,
    _folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) api: AuthApi,
    pub(crate) signer: Signer,
    pub(crate) key_id: KeyId,
}

impl Server {
    pub(crate) fn start(binary: &Path, algorithm: &str) -> Self {
        let folder = TempDir::new().expect("a folder for the sandbox");
        let mut process = Command::new(binary)
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path())
            .env("TM_AUTH__TOKENS__ALGORITHM", algorithm)
            .env("TM_AUTH__LIMITS__MINTS_PER_KEY_PER_MINUTE", "60000")
            .env("TM_AUTH__LIMITS__REFRESHES_PER_SESSION_PER_MINUTE", "60000")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let output = process.stdout.take().expect("the stream is piped");
        let (mut key, mut origin) = (None, None);
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, path)) = line.split_once("TM_KEY_FILE=") {
                key = Some(key_file::load(path).expect("dev wrote the key file"));
            }
            if let Some(ready) = line.strip_prefix("ready ") {
                origin = Some(ready.to_owned());
                break;
            }
        }
        let (key, origin) = (
            key.expect("dev prints the key file"),
            origin.expect("dev prints its origin"),
        );
        Self {
            process,
            _folder: folder,
            address: address(&origin),
            api: AuthApi::new(&origin).expect("a URL"),
            signer: Signer::from_key_file(&key).expect("a key"),
            key_id: key.key_id.expect("a registered key"),
        }
    }

    /// The CPU time of the process so far, user and system, in µs; see proc(5).
    pub(crate) fn cpu(&self) -> f64 {
        /// `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Rust supports.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the process runs");
        // The name may contain spaces and ends at the last parenthesis. utime and stime are fields
        // 14 and 15.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .expect("proc(5)")
            .1
            .split_whitespace()
            .collect();
        let ticks = |field: usize| fields[field - 3].parse::<f64>().expect("a number");
        (ticks(14) + ticks(15)) / TICKS_PER_SECOND * 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of an origin such as `http://localhost:8080`.
fn address(origin: &str) -> SocketAddr {
    let port = origin.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    SocketAddr::from(([127, 0, 0, 1], port.expect("an origin with a port")))
}

/// The processor's name.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}
