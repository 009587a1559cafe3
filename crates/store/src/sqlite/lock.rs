//! Protection of the database file: one server, no restore under its feet, a local disk.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::files::{self, beside, cannot_open};
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
        let path = beside(database, ".lock");
        let file = files::open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => return Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(cannot_open(&path, error)),
        }
        tracing::info!("another process holds the database; waiting for it to end");
        match lock_within(file, wait) {
            Some(Ok(file)) => Ok(Self { _file: file }),
            Some(Err(error)) => Err(cannot_open(&path, error)),
            None => Err(StoreError::unusable(format!(
                "another tm-auth server is using {}: SQLite takes one server; stop the other first",
                database.display()
            ))),
        }
    }
}

/// The lock of all who have the database open. They share it; a restore, which moves the files away
/// under this name, takes it alone. The system releases it when the process exits or dies.
pub(super) struct InUse {
    _file: File,
}

impl InUse {
    /// Joins those who use the database.
    pub(super) fn share(database: &Path) -> Result<Self> {
        let path = beside(database, ".in-use");
        let file = files::open_lock(&path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::unusable(format!(
                "a restore of {} is running: wait until it has ended",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot_open(&path, error)),
        }
    }

    /// Keeps all others out. Waits up to `wait` for them to end.
    pub(super) fn alone(database: &Path, wait: Duration) -> Result<Self> {
        let path = beside(database, ".in-use");
        match lock_within(files::open_lock(&path)?, wait) {
            Some(Ok(file)) => Ok(Self { _file: file }),
            Some(Err(error)) => Err(cannot_open(&path, error)),
            None => Err(StoreError::unusable(format!(
                "a tm-auth server or command is using {}: stop it first",
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

/// Refuses network file systems, which lack the shared memory and POSIX locks that SQLite's WAL
/// needs.
pub(super) fn refuse_network_filesystem(path: &Path) -> Result<()> {
    let Ok(folder) = files::folder(path).canonicalize() else {
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
