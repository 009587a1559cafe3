//! A copy of the database while the service runs.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{files, integrity};
use crate::{Result, StoreError};

/// Copies the pages with SQLite's online backup and checks the copy. The service keeps running.
pub(super) fn copy(source: &Path, target: &Path) -> Result<()> {
    let target = files::in_real_folder(target)?;
    drop(files::create_new(&target)?);
    let copied = copy_pages(source, &target);
    if copied.is_err() {
        // An incomplete copy must not be taken for a backup. If this fails, the first error counts.
        for suffix in [""].iter().chain(&files::SIDE_FILES) {
            let _ = std::fs::remove_file(files::beside(&target, suffix));
        }
    }
    copied
}

fn copy_pages(source: &Path, target: &Path) -> Result<()> {
    let source = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    source.busy_timeout(Duration::from_secs(5))?;
    let mut copy = super::open_existing(target)?;
    // All pages in one step. With WAL this reads one snapshot and never restarts.
    rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
    // One file, which can be copied alone. A server sets WAL again.
    copy.pragma_update(None, "journal_mode", "delete")?;
    integrity::full(&copy)?;
    drop(copy);
    File::open(target)
        .and_then(|copy| copy.sync_all())
        .map_err(|error| StoreError::cannot(format_args!("write {} to the disk", target.display()), error))?;
    files::sync_folder(files::folder(target))
}
