//! Tests of what only SQLite has: group commit, full disks, files, locks and backups.
//! [`crate::conformance`] tests what both databases do.

mod backup;
mod damage;
mod files;
mod full_disk;
mod group_commit;
mod identity;
mod opening;
mod plans;
mod prepared;
mod read_only;
mod restore;
mod rows;

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Role, Sqlite, SqliteOptions, Synchronous};
use crate::sql::Engine;
use crate::{Result, Store};

fn open(path: &Path, role: Role) -> Result<Store> {
    super::open(&SqliteOptions {
        path: path.to_owned(),
        role,
        synchronous: Synchronous::Full,
    })
}

/// A new database.
fn database() -> (Arc<Store>, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = open(&folder.path().join("tm-auth.db"), Role::Server).unwrap();
    (Arc::new(store), folder)
}

fn engine(store: &Store) -> &Sqlite {
    match &store.engine {
        Engine::Sqlite(sqlite) => sqlite,
        Engine::Postgres(_) => unreachable!("the test opened SQLite"),
    }
}

fn integrity(path: &Path) -> String {
    let db = Connection::open(path).unwrap();
    db.pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap()
}
