//! Reading beside and without a server changes nothing in the folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;

use super::database;
use crate::conformance::given;
use crate::sqlite::{Synchronous, connect, inspect, pending_migrations};

/// The files of a folder. The content of `-shm` is that of locks, which every reader changes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let file = |path: &Path| match path.extension() {
        Some(extension) if extension == "db-shm" => Vec::new(),
        _ => fs::read(path).unwrap(),
    };
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), file(&entry.path())))
        .collect()
}

/// Checks that an inspection of this folder finds the newest entry and changes no file.
fn sees(newest: Option<Timestamp>, folder: &TempDir) {
    let before = files(folder.path());
    let path = folder.path().join("tm-auth.db");
    let found = inspect(&path).unwrap().unwrap();
    let names: Vec<_> = before.keys().collect();
    assert_eq!(found.contents.unwrap().newest, newest, "{names:?}");
    assert!(found.pending.is_empty() && pending_migrations(&path).unwrap().is_empty());
    assert!(files(folder.path()) == before, "{names:?}");
}

#[tokio::test]
async fn r70_an_inspection_writes_nothing_and_sees_all() {
    let (server, served) = database();
    given::key(&server).await;
    let newest = server.contents().await.unwrap().newest;
    assert!(newest.is_some());
    sees(newest, &served);
    // As after SIGKILL: the files of a running server, copied.
    let killed = TempDir::new().unwrap();
    for name in files(served.path()).keys() {
        fs::copy(served.path().join(name), killed.path().join(name)).unwrap();
    }
    sees(newest, &killed);
    fs::remove_file(killed.path().join("tm-auth.db-shm")).unwrap();
    sees(newest, &killed);
    // The last connection to close moves the log into the file.
    drop(connect(&killed.path().join("tm-auth.db"), Synchronous::Full).unwrap());
    assert!(!killed.path().join("tm-auth.db-wal").exists());
    sees(newest, &killed);
}

#[test]
fn r70_an_inspection_creates_no_database_and_reads_an_empty_one() {
    let folder = TempDir::new().unwrap();
    // Characters that mean something in a URI.
    let path = folder.path().join("a b?c#d%20.db");
    assert!(inspect(&path).unwrap().is_none());
    assert!(files(folder.path()).is_empty());
    fs::write(&path, "").unwrap();
    let found = inspect(&path).unwrap().unwrap();
    assert_eq!(found.pending, ["0001_initial"]);
    assert!(found.contents.is_none());
    assert_eq!(files(folder.path()).len(), 1);
}
