//! Starts a PostgreSQL server from the installed package.
//!
//! 1. `initdb` fills a new folder below the temporary folder. If the test runs as root, `initdb`
//!    and the server run as the user `postgres`, since PostgreSQL refuses root.
//! 2. The server listens on a free port of 127.0.0.1, without a socket file and without passwords.
//! 3. Each test uses an empty [database](Postgres::database) of the shared server. A test that
//!    crashes or freezes a server starts its own.
//! 4. The server stops and its folder is removed when [`Postgres`] is dropped, or when the test
//!    process exits or is killed.
//!
//! The databases use a locale that does not sort by bytes, as production may. So the tests fail if
//! SQL relies on the order of bytes without `COLLATE "C"`.

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

use self::cleanup::Cleanup;
use self::programs::Programs;
use crate::processes::{Processes, send};
use crate::{poll, ports};

/// The only database role. It is a superuser.
const ROLE: &str = "tm_auth";

/// The deadline for a start. It is long since the machine may be busy and a start after a crash
/// replays the WAL.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// Whether commits survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Commits do not wait for the disk. The last commits may be lost in a crash.
    Off,
    /// Commits wait for the disk, as in production. For crash tests and measurements.
    On,
}

/// Returns the rows of a statement, one line each, with columns separated by `|`. Several
/// statements run as one transaction. Panics with the server's message if the statement fails.
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
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {stderr}");
    let rows = String::from_utf8(output.stdout).expect("psql prints UTF-8");
    rows.trim_end_matches('\n').to_owned()
}

/// A PostgreSQL server. It stops when this is dropped.
pub struct Postgres {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    durability: Durability,
    databases: AtomicU32,
    /// The server's main process; `None` while the server is down.
    server: Mutex<Option<Child>>,
    cleanup: Option<Cleanup>,
}

impl Postgres {
    /// Starts a new, empty server and waits until it is ready.
    pub fn start(durability: Durability) -> Self {
        let programs = Programs::find();
        let folder = tempfile::Builder::new()
            .prefix("tm-auth-postgres-")
            .tempdir()
            .expect("a folder for the server")
            .keep();
        let folder = fs::canonicalize(folder).expect("the folder was just created");
        let cleanup = Cleanup::of(&folder);
        if let Some(user) = programs.user() {
            chown(&folder, Some(user.uid), Some(user.gid)).expect("root can change the owner");
        }
        let postgres = Self {
            programs,
            folder,
            port: ports::free(),
            durability,
            databases: AtomicU32::new(0),
            server: Mutex::new(None),
            cleanup: Some(cleanup),
        };
        postgres.init();
        postgres.launch();
        postgres
    }

    /// The server that the tests of this process share, without durability. Started at first use.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Durability::Off))
    }

    /// Creates an empty database and returns its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(&self.url("postgres"), &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The folder of the server's files. It is removed together with the server.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The URL of a database: `postgres://ROLE@127.0.0.1:PORT/NAME`.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.port)
    }

    /// The server's port on 127.0.0.1, the same after each restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL like [`psql`].
    pub fn psql(&self, url: &str, sql: &str) -> String {
        rows_of(self.psql_command(url, sql), sql)
    }

    /// The command that [`psql`](Self::psql) runs, for a test that expects it to fail or to wait.
    pub fn psql_command(&self, url: &str, sql: &str) -> Command {
        psql_command(&self.programs, url, sql)
    }

    /// Kills all processes of the server at once, as a crash does.
    pub fn kill(&self) {
        let mut server = self.lock();
        self.processes().kill();
        wait_for_exit(&mut server);
    }

    /// Shuts the server down in order: it closes connections and writes a checkpoint.
    pub fn stop(&self) {
        let mut server = self.lock();
        self.thaw();
        if let Some(main_process) = &*server {
            // SIGINT is PostgreSQL's fast shutdown.
            send(Pid::from_child(main_process), Signal::INT);
        }
        self.processes().wait_until_gone();
        wait_for_exit(&mut server);
    }

    /// Starts the server with the same data on the same port. If it runs, stops it first.
    pub fn restart(&self) {
        self.stop();
        self.launch();
    }

    /// Suspends all processes of the server. Connections stay open, but the server sends nothing.
    pub fn freeze(&self) {
        self.processes().freeze();
    }

    /// Resumes all processes of the server.
    pub fn thaw(&self) {
        self.processes().thaw();
    }

    /// The CPU time that the server's present processes have used.
    pub fn cpu(&self) -> Duration {
        self.processes().cpu()
    }

    /// The server's log so far.
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
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb: {stderr}");
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
            .stderr(log.expect("the log file can be opened"))
            .spawn()
            .expect("postgres starts");
        let child = server.insert(child);
        poll::until("the server is ready", START_DEADLINE, || {
            let exit_status = child.try_wait().expect("the server is a child process");
            assert!(exit_status.is_none(), "the server exited:\n{}", self.log());
            let status = self
                .programs
                .client("pg_isready")
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            status.expect("pg_isready starts").success().then_some(())
        });
    }

    fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            "max_connections=200".to_owned(),
            "shared_buffers=32MB".to_owned(),
            // Keep shared memory in the data folder, so that a kill leaves nothing elsewhere.
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

    /// Ignores poisoning: a test that panics with the lock held leaves a consistent state.
    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.cleanup.take());
        wait_for_exit(&mut self.lock());
    }
}

/// Waits for the main process to exit, so that it does not stay a zombie.
fn wait_for_exit(server: &mut Option<Child>) {
    if let Some(mut child) = server.take() {
        child.wait().expect("the server is a child process");
    }
}

#[cfg(test)]
mod tests;
