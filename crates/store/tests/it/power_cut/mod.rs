//! SQLite survives a power cut without losing an acknowledged write, and a disk that fails for a
//! while.
//!
//! 1. A shim in C between SQLite and the kernel logs how to undo each write that is not synced yet.
//! 2. A process opens and refreshes sessions through the store, and prints each acknowledged one.
//! 3. The test kills the process and undoes the unsynced writes: all of them, or only some, because
//!    a disk may write in any order.
//! 4. The database opens, passes its integrity check, and has each acknowledged session at its
//!    acknowledged counter or beyond.
//!
//! With `synchronous=OFF` the same test loses rows. That shows that the shim works.

mod disk;
mod writer;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use rusqlite::{Connection, OptionalExtension};
use tempfile::TempDir;
use tm_auth_proto::SessionId;
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};

use disk::Loss;
pub(crate) use writer::{is_writer, write};

/// Acknowledged writes before the cut, one run each. The later cuts come after checkpoints have
/// moved pages from the log to the database file.
const CUTS: [usize; 6] = [1, 17, 300, 1100, 2500, 5000];

pub(crate) fn tests() -> Vec<Trial> {
    let test = |name: &str, run: fn()| crate::test(format!("power_cut::{name}"), run);
    vec![
        test("j02_no_acknowledged_write_is_lost_to_a_power_cut", || {
            for cut in CUTS {
                assert_eq!(run("full", cut, Loss::All), 0, "lost after {cut} writes");
            }
        }),
        test(
            "j02_no_acknowledged_write_is_lost_if_the_disk_reorders_writes",
            || {
                for (seed, cut) in (1..).zip(CUTS) {
                    assert_eq!(
                        run("full", cut, Loss::Some { seed }),
                        0,
                        "lost after {cut} writes, seed {seed}"
                    );
                }
            },
        ),
        test(
            "j11_a_disk_that_fails_for_a_while_loses_nothing_acknowledged",
            || {
                assert_eq!(run_with_faults(), 0);
            },
        ),
        test("j02_without_synchronous_full_the_same_test_loses_rows", || {
            assert!(
                run("off", 1100, Loss::All) > 0,
                "the shim lost no write, so the other tests prove nothing"
            );
        }),
    ]
}

/// Returns how many acknowledged writes are missing after the cut.
fn run(synchronous: &str, acknowledgements: usize, loss: Loss) -> usize {
    let disk = Disk::new();
    let mut child = disk.writer(synchronous).spawn().expect("the test binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut acknowledged: Vec<String> = lines
        .by_ref()
        .take(acknowledgements)
        .map_while(Result::ok)
        .collect();
    child.kill().expect("it is a child of this process");
    child.wait().expect("the writer exits");
    // Lines that the writer printed before the kill are acknowledged as well.
    acknowledged.extend(lines.map_while(Result::ok));
    assert!(
        acknowledged.len() >= acknowledgements,
        "the writer exited before it was killed"
    );

    disk::lose(&disk.database, &disk.log, loss);
    missing(&disk.database, &acknowledged)
}

/// Cuts the power after a writer has seen its disk fail. Returns how many acknowledged writes are
/// missing.
fn run_with_faults() -> usize {
    let disk = Disk::new();
    let output = disk
        .writer("faults")
        .stderr(Stdio::inherit())
        .output()
        .expect("the test binary starts");
    assert!(output.status.success());
    let acknowledged: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(acknowledged.len(), 200);
    disk::lose(&disk.database, &disk.log, Loss::All);
    missing(&disk.database, &acknowledged)
}

/// A folder with the shim and with a database that has an account and a key.
struct Disk {
    folder: TempDir,
    database: PathBuf,
    log: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        // The shim compares with the path that the kernel reports.
        let path = folder.path().canonicalize().expect("it exists");
        let disk = Self {
            database: path.join("tm-auth.db"),
            log: path.join("undo"),
            folder,
        };
        let prepared = writer("prepare", &disk.database)
            .status()
            .expect("the test binary starts");
        assert!(prepared.success());
        disk
    }

    fn writer(&self, role: &str) -> Command {
        let mut command = writer(role, &self.database);
        command
            .env("LD_PRELOAD", shim(self.folder.path()))
            .env(writer::LOG, &self.log)
            .env(writer::FAULT, self.folder.path().join("fault"))
            .stdout(Stdio::piped());
        command
    }
}

fn writer(role: &str, database: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this process has a file"));
    command.env(writer::ROLE, role).env(writer::DATABASE, database);
    command
}

fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/power_cut/shim.c");
    let shim = folder.join("shim.so");
    let built = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .arg(&shim)
        .arg(source)
        .status()
        .expect("a C compiler, which Rust links with anyway");
    assert!(built.success());
    shim
}

/// Opens and checks the database as the service does. Returns how many acknowledged writes are
/// missing.
fn missing(database: &Path, acknowledged: &[String]) -> usize {
    let options = SqliteOptions {
        path: database.to_owned(),
        role: Role::Server,
        synchronous: Synchronous::Full,
    };
    let _store = sqlite::open(&options).expect("the database opens without repair");
    let db = Connection::open(database).expect("the database opens");
    let sound: String = db
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .expect("the integrity check runs");
    assert_eq!(sound, "ok");

    let mut newest: BTreeMap<SessionId, i64> = BTreeMap::new();
    for line in acknowledged {
        let (sid, counter) = line.split_once(' ').expect("an id and a counter");
        newest.insert(sid.parse().expect("an id"), counter.parse().expect("a counter"));
    }
    let mut row = db
        .prepare("SELECT current FROM sessions WHERE sid = ?1")
        .expect("the table is there");
    let lost = newest.iter().filter(|(sid, counter)| {
        let found: Option<i64> = row
            .query_row([sid.0.as_bytes()], |row| row.get(0))
            .optional()
            .expect("the database answers");
        found.is_none_or(|found| found < **counter)
    });
    lost.count()
}
