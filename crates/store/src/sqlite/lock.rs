//! Protection of the database file: one server, no restore under its feet, a local disk.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::files::{self, beside, cannot_open};
use crate::{Result, StoreError};

/// The lock of the only server. The system releases it when the process exits or dies. It has its
/// own file, apart from SQLite's locks on the database file.
pub(super) struct ServerLock {
    _file: File,
}

impl ServerLock {
    pub(super) fn take(database: &Path) -> Result<Self> {
        let file = files::open_lock(&beside(database, ".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::unusable(format!(
                "another tm-auth server is using {}: SQLite takes one server; stop the other first",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot_open(database, error)),
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
        let file = files::open_lock(&beside(database, ".in-use"))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::unusable(format!(
                "a restore of {} is running: wait until it has ended",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot_open(database, error)),
        }
    }

    /// Keeps all others out.
    pub(super) fn alone(database: &Path) -> Result<Self> {
        let file = files::open_lock(&beside(database, ".in-use"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::unusable(format!(
                "a tm-auth server or command is using {}: stop it first",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot_open(database, error)),
        }
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
