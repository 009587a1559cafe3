//! The modes of the files, and symbolic links where the service writes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{database, open};
use crate::sqlite::{Role, exposed_files};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn r05_files_that_others_can_open_are_taken_away_from_them() {
    let (store, folder) = database();
    let path = folder.path().join("tm-auth.db");
    let names = [
        "tm-auth.db",
        "tm-auth.db-wal",
        "tm-auth.db-shm",
        "tm-auth.db.lock",
    ];
    for exposed in [0o666, 0o640, 0o604, 0o660, 0o601] {
        for name in names {
            let path = folder.path().join(name);
            fs::set_permissions(path, Permissions::from_mode(exposed)).unwrap();
        }
        assert_eq!(exposed_files(&path).len(), 3);
        drop(open(&path, Role::Command).unwrap());
        for name in &names[..3] {
            assert_eq!(mode(&folder.path().join(name)), 0o600, "{name} {exposed:o}");
        }
        assert_eq!(exposed_files(&path), []);
    }
    drop(store);
    drop(open(&path, Role::Server).unwrap());
    assert_eq!(mode(&folder.path().join("tm-auth.db.lock")), 0o600);
}

#[tokio::test]
async fn r05_no_symbolic_link_is_followed() {
    let (store, folder) = database();
    let at = |name: &str| folder.path().join(name);
    let target = at("target");
    for name in ["linked.db", "linked.db-wal", "linked.db.lock", "linked.db.in-use"] {
        for exists in [false, true] {
            if exists {
                fs::write(&target, "precious").unwrap();
            }
            symlink(&target, at(name)).unwrap();
            let Err(error) = open(&at("linked.db"), Role::Server) else {
                panic!("{name} was followed");
            };
            assert!(error.to_string().contains("a symbolic link"), "{name}: {error}");
            fs::remove_file(at(name)).unwrap();
            if exists {
                assert_eq!(fs::read_to_string(&target).unwrap(), "precious", "{name}");
                fs::remove_file(&target).unwrap();
            }
            assert!(!target.exists(), "{name}");
            for own in ["linked.db", "linked.db.in-use", "linked.db.lock"] {
                let _ = fs::remove_file(at(own));
            }
        }
    }
    // A folder may be one.
    fs::create_dir(at("real")).unwrap();
    symlink(at("real"), at("folder")).unwrap();
    let linked = open(&at("folder/tm-auth.db"), Role::Server).unwrap();
    linked.ping().await.unwrap();
    assert_eq!(mode(&at("real/tm-auth.db")), 0o600);

    for name in ["copy", "copy-wal", "copy-journal"] {
        symlink(&target, at(name)).unwrap();
        let error = store.backup(&at("copy")).await.unwrap_err();
        assert!(error.to_string().contains("exists already"), "{name}: {error}");
        assert!(!target.exists(), "{name}");
        fs::remove_file(at(name)).unwrap();
    }
    store.backup(&at("copy")).await.unwrap();
    assert_eq!(mode(&at("copy")), 0o600);
    assert!(!at("copy-wal").exists() && !at("copy-shm").exists(), "one file");
}
