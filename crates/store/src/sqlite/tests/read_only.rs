//! Reading beside and without a server changes nothing in the folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{database, open};
use crate::conformance::given;
use crate::sqlite::{Role, inspect, pending_migrations};

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

#[tokio::test]
async fn r70_an_inspection_writes_nothing_and_sees_all() {
    let (server, folder) = database();
    let path = folder.path().join("tm-auth.db");
    given::key(&server).await;
    let newest = server.contents().await.unwrap().newest;
    assert!(newest.is_some());
    let sees_all = |state: &str| {
        let before = files(folder.path());
        let found = inspect(&path).unwrap().unwrap();
        assert_eq!(found.contents.unwrap().newest, newest, "{state}");
        assert!(found.pending.is_empty() && pending_migrations(&path).unwrap().is_empty());
        assert_eq!(files(folder.path()), before, "{state}");
    };
    sees_all("served");
    // As after SIGKILL: the files of a running server, copied.
    let killed = TempDir::new().unwrap();
    for (name, _) in files(folder.path()) {
        fs::copy(folder.path().join(&name), killed.path().join(&name)).unwrap();
    }
    drop(server);
    sees_all("stopped");
    for (name, _) in files(killed.path()) {
        fs::copy(killed.path().join(&name), folder.path().join(&name)).unwrap();
    }
    sees_all("killed");
    fs::remove_file(folder.path().join("tm-auth.db-shm")).unwrap();
    let error = inspect(&path).unwrap_err().to_string();
    assert!(error.contains("start the service"), "{error}");
    drop(open(&path, Role::Server).unwrap());
    sees_all("started again");
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
