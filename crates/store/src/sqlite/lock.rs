//! Protection of the database file: one server, a local disk, a private file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::{Result, StoreError};

/// How long a start waits for the lock. A process that was killed holds it until the system has
/// closed its files, and a supervisor starts the next one at once.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The lock of the only server. The system releases it when the process exits or dies. It has its
/// own file, apart from SQLite's locks on the database file.
pub(super) struct ServerLock {
    _file: File,
}

impl ServerLock {
    /// Takes the lock. Waits up to `wait` for another process to release it.
    pub(super) fn take(database: &Path, wait: Duration) -> Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = private()
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(|error| unusable(&path, error))?;
        match file.try_lock() {
            Ok(()) => return Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(unusable(&path, error)),
        }
        tracing::info!("another process holds the database; waiting for it to end");
        match lock_within(file, wait) {
            Some(Ok(file)) => Ok(Self { _file: file }),
            Some(Err(error)) => Err(unusable(&path, error)),
            None => Err(StoreError::unusable(format!(
                "another tm-auth server is using {}: SQLite takes one server; stop the other first",
                database.display()
            ))),
        }
    }
}

/// Locks a file. Returns `None` if another process holds the lock for all of `wait`.
fn lock_within(file: File, wait: Duration) -> Option<io::Result<File>> {
    let (locked, lock) = channel();
    // flock(2) has no time limit. A thread that gets the lock too late closes the file again.
    let thread = thread::Builder::new().spawn(move || locked.send(file.lock().map(|()| file)).ok());
    match thread.map(|_| lock.recv_timeout(wait)) {
        Ok(Ok(outcome)) => Some(outcome),
        Ok(Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) => None,
        Err(error) => Some(Err(error)),
    }
}

/// Creates the file with mode 0600, before SQLite creates it with the default mode.
///
/// Does not open an existing file. POSIX locks belong to the process, so closing any descriptor of
/// the file would release the locks that SQLite has through another one.
pub(super) fn create_private(path: &Path) -> Result<()> {
    match private().create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unusable(path, error)),
        _ => Ok(()),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn unusable(path: &Path, error: io::Error) -> StoreError {
    StoreError::cannot(format_args!("open {}", path.display()), error)
}

/// Refuses network file systems, which lack the shared memory and POSIX locks that SQLite's WAL
/// needs.
pub(super) fn refuse_network_filesystem(path: &Path) -> Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Ok(folder) = parent.canonicalize() else {
        return Ok(());
    };
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match network_filesystem(&mounts, &folder) {
        Some(kind) => Err(StoreError::unusable(format!(
            "{} is on a network file system ({kind}), where SQLite's locks cannot be trusted: use a local disk",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Returns the type of the network file system that contains `folder`, from the text of
/// `/proc/self/mountinfo` (proc(5)).
fn network_filesystem<'a>(mountinfo: &'a str, folder: &Path) -> Option<&'a str> {
    let (_, kind) = mountinfo
        .lines()
        .filter_map(|line| {
            let (mount, source) = line.split_once(" - ")?;
            Some((Path::new(mount.split(' ').nth(4)?), source.split(' ').next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.components().count())?;
    let network = [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "ceph",
        "9p",
        "afs",
        "lustre",
    ];
    network.contains(&kind).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r16_a_start_waits_for_the_lock_of_a_process_that_is_ending() {
        let folder = tempfile::TempDir::new().unwrap();
        let database = folder.path().join("tm-auth.db");
        let first = ServerLock::take(&database, Duration::ZERO).unwrap();
        let refused = ServerLock::take(&database, Duration::ZERO).err().unwrap();
        assert!(
            refused.to_string().contains("another tm-auth server"),
            "{refused}"
        );
        let (waiting, waits) = channel();
        let second = thread::spawn(move || {
            waiting.send(()).unwrap();
            ServerLock::take(&database, Duration::from_mins(1))
        });
        waits.recv().unwrap();
        drop(first);
        assert!(second.join().unwrap().is_ok());
    }

    #[test]
    fn j21_network_file_systems_are_recognised_by_the_innermost_mount() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      30 22 0:40 / /srv rw shared:9 - nfs4 host:/srv rw\n\
                      31 30 0:41 / /srv/local rw - ext4 /dev/vdb rw\n";
        let kind = |folder: &str| network_filesystem(mounts, Path::new(folder));
        assert_eq!(kind("/srv/data"), Some("nfs4"));
        assert_eq!(kind("/srv/local/data"), None);
        assert_eq!(kind("/srvice"), None);
        assert_eq!(kind("/var/lib"), None);
    }
}
