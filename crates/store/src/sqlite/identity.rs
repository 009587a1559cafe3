//! Notices that a file of the database was removed or replaced under this process.
//!
//! The process then still has the old files open: what it writes is lost when it ends, and commands
//! use other files under the same names. So nothing is read or written any more until a restart, and
//! no commit is acknowledged that went into a file without a name.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::files::beside;
use crate::{Result, StoreError};

/// The database, its write-ahead log and its shared memory. SQLite removes the last two only when
/// the last connection is closed.
const NAMES: [&str; 3] = ["", "-wal", "-shm"];

/// The files of a database as they were when it was opened. A cloneable handle.
#[derive(Clone)]
pub(super) struct Identity(Arc<Inner>);

struct Inner {
    opened: Vec<(PathBuf, Option<Inode>)>,
    is_lost: AtomicBool,
}

/// A device and a number on it. A file keeps both for as long as a process has it open.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inode(u64, u64);

impl Identity {
    /// Notes the files. A connection must be open, and have read.
    pub(super) fn of(path: &Path) -> Self {
        let opened = NAMES.map(|suffix| {
            let path = beside(path, suffix);
            let inode = inode(&path);
            (path, inode)
        });
        Self(Arc::new(Inner {
            opened: opened.into(),
            is_lost: AtomicBool::new(false),
        }))
    }

    /// Looks at the files. Fails if one was removed or replaced, and from then on always. Costs
    /// about 3 µs.
    pub(super) fn check(&self) -> Result<()> {
        self.refuse_lost()?;
        let Some((path, _)) = self.0.opened.iter().find(|(path, opened)| inode(path) != *opened) else {
            return Ok(());
        };
        if !self.0.is_lost.swap(true, Ordering::SeqCst) {
            tracing::error!(
                path = %path.display(),
                "a file of the database was removed or replaced under this process; it reads and writes nothing more"
            );
        }
        self.refuse_lost()
    }

    /// Fails if [`Identity::check`] has failed.
    pub(super) fn refuse_lost(&self) -> Result<()> {
        if !self.is_lost() {
            return Ok(());
        }
        Err(StoreError::unavailable(
            "a file of the database was removed or replaced under this process",
        ))
    }

    /// Whether [`Identity::check`] has failed.
    pub(super) fn is_lost(&self) -> bool {
        self.0.is_lost.load(Ordering::SeqCst)
    }
}

fn inode(path: &Path) -> Option<Inode> {
    let there = path.symlink_metadata().ok()?;
    Some(Inode(there.dev(), there.ino()))
}
