//! A PostgreSQL server of one's own, from the installed package.
//!
//! 1. `initdb` fills a folder in the temporary folder. As root both run as the user `postgres`, since PostgreSQL
//!    refuses root.
//! 2. The server listens on a free port of 127.0.0.1, on no socket file, and asks nobody there for a password.
//! 3. Each test takes an empty [database](Postgres::database); those that crash or freeze the server take a server.
//! 4. It ends, and the folder with it, when its owner is dropped or the process of the test ends in any way.
//!
//! Its databases sort text as people do, as one in production may: SQL that needs the order of bytes has to say so.

mod cleanup;
mod programs;

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use self::cleanup::Guardian;
use self::programs::Programs;
use crate::processes::{Processes, send};
use crate::{poll, ports};

/// Its only role, which may do everything.
const ROLE: &str = "tm_auth";

/// For a start: the machine may be busy, and after a crash the server first reads what it wrote last.
const START: Duration = Duration::from_mins(1);

/// Whether what was committed survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing waits for the disk: for tests of meaning. After a kill the last commits may be gone.
    Off,
    /// As in production: for ledgers and for figures.
    On,
}

/// The rows of one statement: a line each, columns separated by `|`. Panics with what the server says when it fails.
/// Several statements are one transaction.
pub fn psql(url: &str, sql: &str) -> String {
    rows_of(psql_command(&Programs::find(), url, sql), sql)
}

fn psql_command(programs: &Programs, url: &str, sql: &str) -> Command {
    let mut command = programs.client("psql");
    command
        .args(["-X", "-qAt", "-w", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql])
        .stdin(Stdio::null());
    command
}

fn rows_of(mut psql: Command, sql: &str) -> String {
    let output = psql.output().expect("psql starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {told}");
    let rows = String::from_utf8(output.stdout).expect("UTF-8");
    rows.trim_end_matches('\n').to_owned()
}

/// A server. It ends when this is dropped.
pub struct Postgres {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    durability: Durability,
    databases: AtomicU32,
    /// The first of the server's processes; none while it is down.
    server: Mutex<Option<Child>>,
    guardian: Option<Guardian>,
}

impl Postgres {
    /// A new server with nothing in it, ready.
    pub fn start(durability: Durability) -> Self {
        let programs = Programs::find();
        let folder = tempfile::Builder::new()
            .prefix("tm-auth-postgres-")
            .tempdir()
            .expect("a folder for the server")
            .keep();
        let folder = fs::canonicalize(folder).expect("it was just made");
        let guardian = Guardian::of(&folder);
        if let Some(user) = programs.user() {
            chown(&folder, Some(user.uid), Some(user.gid)).expect("root gives files away");
        }
        let postgres = Self {
            programs,
            folder,
            port: ports::free(),
            durability,
            databases: AtomicU32::new(0),
            server: Mutex::new(None),
            guardian: Some(guardian),
        };
        postgres.init();
        postgres.launch();
        postgres
    }

    /// The server that the tests of this process share, without durability; made at first use.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Durability::Off))
    }

    /// Makes an empty database; its address.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(&self.url("postgres"), &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Its files; gone when it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of a database: `postgres://ROLE@127.0.0.1:PORT/NAME`.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.port)
    }

    /// Its port on 127.0.0.1, the same after each restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// See [`psql`].
    pub fn psql(&self, url: &str, sql: &str) -> String {
        rows_of(self.psql_command(url, sql), sql)
    }

    /// What [`psql`](Self::psql) runs, for a test that expects it to fail or to wait.
    pub fn psql_command(&self, url: &str, sql: &str) -> Command {
        psql_command(&self.programs, url, sql)
    }

    /// Ends all its processes at once: a crash. [`restart`](Self::restart) brings it back.
    pub fn kill(&self) {
        let mut server = self.lock();
        self.processes().kill();
        reap(&mut server);
    }

    /// Ends it in order: those connected are cut off, what was committed is written.
    pub fn stop(&self) {
        let mut server = self.lock();
        self.thaw();
        if let Some(first) = &*server {
            send(Pid::from_child(first), Signal::INT);
        }
        self.processes().wait_until_gone();
        reap(&mut server);
    }

    /// Starts it again with the same data on the same port, after stopping it if it runs.
    pub fn restart(&self) {
        self.stop();
        self.launch();
    }

    /// All its processes stop where they stand; connections stay open and silent.
    pub fn freeze(&self) {
        self.processes().freeze();
    }

    /// They go on.
    pub fn thaw(&self) {
        self.processes().thaw();
    }

    /// CPU time that its present processes have used.
    pub fn cpu(&self) -> Duration {
        self.processes().cpu()
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn init(&self) {
        let output = self
            .programs
            .command("initdb")
            .arg("-D")
            .arg(self.data())
            .args(["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en-US"])
            .args(["--no-sync", "--no-instructions"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .expect("initdb starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb: {told}");
    }

    fn launch(&self) {
        let mut server = self.lock();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file());
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.data());
        for setting in self.settings() {
            command.arg("-c").arg(setting);
        }
        let child = command
            .current_dir(self.data())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the folder takes a log"))
            .spawn()
            .expect("postgres starts");
        let child = server.insert(child);
        poll::until("the server is ready", START, || {
            let ended = child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the server ended:\n{}", self.log());
            let answer = self
                .programs
                .client("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            answer.expect("pg_isready starts").success().then_some(())
        });
    }

    fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            "max_connections=200".to_owned(),
            "shared_buffers=32MB".to_owned(),
            // In the data folder, so that nothing is left elsewhere after a kill.
            "dynamic_shared_memory_type=mmap".to_owned(),
        ];
        if self.durability == Durability::Off {
            for switch in ["fsync", "synchronous_commit", "full_page_writes"] {
                settings.push(format!("{switch}=off"));
            }
        }
        settings
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn processes(&self) -> Processes {
        Processes::of(&self.folder)
    }

    /// A test that panicked while it held the lock leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guardian.take());
        reap(&mut self.lock());
    }
}

/// Takes note of the end of the first process.
fn reap(server: &mut Option<Child>) {
    if let Some(mut child) = server.take() {
        child.wait().expect("it is our child");
    }
}

#[cfg(test)]
mod tests;
