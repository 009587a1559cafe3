//! A copy of the database while the service runs.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::{Result, StoreError};

/// Copies the pages with SQLite's online backup and checks the copy. The service keeps running.
pub(super) fn copy(source: &Path, target: &Path) -> Result<()> {
    if target.exists() {
        return Err(StoreError::unusable(format!(
            "{} exists already",
            target.display()
        )));
    }
    super::lock::create_private(target)?;
    let source = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    source.busy_timeout(Duration::from_secs(5))?;
    let mut copy = Connection::open(target)?;
    // All pages in one step. With WAL this reads one snapshot and never restarts.
    rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
    let check: String = copy.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if check == "ok" {
        Ok(())
    } else {
        Err(StoreError::damaged(format!(
            "the copy failed its integrity check: {check}"
        )))
    }
}
