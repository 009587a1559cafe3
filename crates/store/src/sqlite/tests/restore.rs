//! Restoring a backup: what is refused, and what a crash behind each step leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;
use tm_auth_core::session::NewSession;
use tm_auth_proto::Environment;

use super::{database, integrity, open};
use crate::conformance::given;
use crate::sqlite::restore::in_steps;
use crate::sqlite::{RestoreOptions, Restored, Role, restore};
use crate::{OpenOutcome, Result, Store, StoreError};

/// The files that a killed server leaves, with a backup of an earlier state.
struct Killed {
    folder: TempDir,
    /// A session that the backup has.
    saved: NewSession,
    /// A session that the backup lacks. Its row is only in the `-wal`.
    lost: NewSession,
}

impl Killed {
    async fn new() -> Self {
        let (store, served) = database();
        store.bind_environment(Environment::Uat).await.unwrap();
        let key = given::key(&store).await;
        let (saved, _) = given::session(&store, &key).await;
        let folder = TempDir::new().unwrap();
        store.backup(&folder.path().join("backup")).await.unwrap();
        let (lost, _) = given::session(&store, &key).await;
        // A killed process leaves the files as they are now.
        for name in ["tm-auth.db", "tm-auth.db-wal", "tm-auth.db-shm"] {
            fs::copy(served.path().join(name), folder.path().join(name)).unwrap();
        }
        Self { folder, saved, lost }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tm-auth.db")
    }

    fn options(&self) -> RestoreOptions {
        RestoreOptions {
            path: self.path(),
            backup: self.folder.path().join("backup"),
            environment: Environment::Uat,
            recovered_at: given::at(100),
            audit_context: given::audit_context(90),
        }
    }

    fn restore(&self) -> Result<Restored> {
        restore(&self.options(), |_| Ok(()))
    }

    /// The names of the folder, without the locks.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| !name.contains(".lock") && !name.contains(".in-use"))
            .collect();
        names.sort();
        names
    }

    async fn is_restored(&self, store: &Store) -> bool {
        let replayed = replay(store, &self.saved).await;
        assert_eq!(replayed, OpenOutcome::Replayed, "both have the first session");
        replay(store, &self.lost).await == OpenOutcome::BeforeRecovery
    }
}

/// Why a restore fails.
fn line_of(options: &RestoreOptions) -> String {
    let Err(error) = restore(options, |_| Ok(())) else {
        panic!("the restore succeeded");
    };
    crate::error::Chain(&error).to_string()
}

/// Presents the challenge of a session again.
async fn replay(store: &Store, new: &NewSession) -> OpenOutcome {
    let new = NewSession {
        open_nonce: [0xaa; 16],
        ..new.clone()
    };
    store.open_session(new).await.unwrap()
}

#[tokio::test]
async fn r01_a_stale_wal_is_not_replayed_and_the_old_files_are_kept() {
    let killed = Killed::new().await;
    assert!(
        fs::metadata(killed.path().with_extension("db-wal"))
            .unwrap()
            .len()
            > 0
    );
    let restored = killed.restore().unwrap();
    assert_eq!(restored.set_aside.len(), 3, "{restored:?}");
    assert!(restored.last_entry_at.is_some());
    assert_eq!(
        killed.names(),
        [
            "backup",
            "tm-auth.db",
            "tm-auth.db.before-restore-20270115T080130Z",
            "tm-auth.db.before-restore-20270115T080130Z-shm",
            "tm-auth.db.before-restore-20270115T080130Z-wal",
        ]
    );
    let store = open(&killed.path(), Role::Server).unwrap();
    assert!(killed.is_restored(&store).await);
    store.check_file(true).await.unwrap();
    store.check_rows().await.unwrap();
    // The old database is whole: its log is beside it.
    let old = &restored.set_aside[0];
    assert_eq!(integrity(old), "ok");
    let count: i64 = Connection::open(old)
        .unwrap()
        .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn r01_a_crash_behind_any_step_leaves_a_database_or_says_what_to_do() {
    let mut crashed_ready = 0;
    for crash in 1.. {
        let killed = Killed::new().await;
        let mut steps = Vec::new();
        let outcome = in_steps(&killed.options(), |_| Ok(()), &mut |step| {
            steps.push(step.to_owned());
            match steps.len() {
                count if count == crash => Err(StoreError::unavailable("crashed")),
                _ => Ok(()),
            }
        });
        if steps.len() < crash {
            outcome.unwrap();
            assert_eq!(steps.len(), 7, "{steps:?}");
            break;
        }
        let last = steps.last().unwrap();
        match open(&killed.path(), Role::Server) {
            Ok(store) => {
                let is_restored = killed.is_restored(&store).await;
                assert_eq!(is_restored, last == "in place", "{last}");
            }
            Err(error) => {
                crashed_ready += 1;
                let line = error.to_string();
                assert!(
                    line.contains("run `tm-auth restore BACKUP` again"),
                    "{last}: {line}"
                );
                assert!(open(&killed.path(), Role::Command).is_err());
                assert!(crate::sqlite::pending_migrations(&killed.path()).is_err());
            }
        }
        // The command again, whatever the crash left.
        let again = killed.restore().unwrap();
        if last == "in place" {
            // A second restore in the same second does not overwrite what the first one kept.
            let name = again.set_aside[0].display().to_string();
            assert!(name.ends_with("20270115T080130Z-2"), "{name}");
        }
        let store = open(&killed.path(), Role::Server).unwrap();
        assert!(killed.is_restored(&store).await, "{last}");
        drop(store);
        assert!(!killed.names().iter().any(|name| name.contains("restoring")));
        let kept = killed
            .folder
            .path()
            .join("tm-auth.db.before-restore-20270115T080130Z");
        assert_eq!(integrity(&kept), "ok", "{last}");
        let count: i64 = Connection::open(&kept)
            .unwrap()
            .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 2, "{last}: the old database keeps its log");
    }
    assert_eq!(crashed_ready, 4);
}

#[tokio::test]
async fn r01_a_restore_and_those_who_use_the_database_exclude_each_other() {
    let killed = Killed::new().await;
    for role in [Role::Server, Role::Command] {
        let store = open(&killed.path(), role).unwrap();
        let line = line_of(&killed.options());
        assert!(line.contains("is using") && line.contains("tm-auth.db"), "{line}");
        assert_eq!(replay(&store, &killed.lost).await, OpenOutcome::Replayed);
    }
    let path = killed.path();
    in_steps(&killed.options(), |_| Ok(()), &mut |step| {
        for role in [Role::Server, Role::Command] {
            assert!(open(&path, role).is_err(), "{role:?} behind `{step}`");
        }
        Ok(())
    })
    .unwrap();
}

#[tokio::test]
async fn r01_what_is_no_usable_backup_is_refused_and_nothing_changes() {
    let killed = Killed::new().await;
    let before = fs::read(killed.path()).unwrap();
    let names = killed.names();
    let variant = |name: &str, change: &dyn Fn(&Path)| {
        let path = killed.folder.path().join(name);
        fs::copy(killed.options().backup, &path).unwrap();
        change(&path);
        let line = line_of(&RestoreOptions {
            backup: path.clone(),
            ..killed.options()
        });
        for suffix in ["", "-wal", "-journal"] {
            let _ = fs::remove_file(super::super::files::beside(&path, suffix));
        }
        line
    };
    let sql =
        |sql: &'static str| move |path: &Path| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    let half = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let flipped = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let start = 4096 * 3;
        bytes[start..start + 64].fill(0xff);
        fs::write(path, bytes).unwrap();
    };
    for (line, wanted) in [
        (variant("half", &half), "damaged"),
        (variant("flipped", &flipped), "damaged"),
        (
            variant("empty", &|path| fs::write(path, "").unwrap()),
            "version 0",
        ),
        (
            variant("text", &|path| {
                fs::write(path, "no database".repeat(999)).unwrap();
            }),
            "not a database",
        ),
        (
            variant("theirs", &sql("PRAGMA application_id = 1")),
            "another program",
        ),
        (variant("newer", &sql("PRAGMA user_version = 99")), "version 99"),
        (
            variant(
                "production",
                &sql("UPDATE settings SET value = 'production' WHERE name = 'environment'"),
            ),
            "production",
        ),
        (
            variant("row", &sql("UPDATE sessions SET secret_hash = x'00'")),
            "table sessions",
        ),
        (
            variant("log", &|path| {
                fs::write(super::super::files::beside(path, "-wal"), "rows").unwrap();
            }),
            "log-wal",
        ),
    ] {
        assert!(line.contains(wanted), "{wanted}: {line}");
    }
    let missing = line_of(&RestoreOptions {
        backup: killed.folder.path().join("missing"),
        ..killed.options()
    });
    assert!(missing.contains("missing"), "{missing}");
    let itself = line_of(&RestoreOptions {
        backup: killed.path(),
        ..killed.options()
    });
    assert!(itself.contains("the database itself"), "{itself}");
    let refused = restore(&killed.options(), |_| Err("the key is another one".to_owned())).unwrap_err();
    assert!(
        refused.to_string().contains("the key is another one"),
        "{refused}"
    );

    assert_eq!(killed.names(), names, "nothing is left behind");
    assert!(fs::read(killed.path()).unwrap() == before);
    let store = open(&killed.path(), Role::Server).unwrap();
    assert_eq!(replay(&store, &killed.lost).await, OpenOutcome::Replayed);
}

#[tokio::test]
async fn r01_a_restore_to_an_empty_host_needs_no_old_database() {
    let killed = Killed::new().await;
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(super::super::files::beside(&killed.path(), suffix)).unwrap();
    }
    assert!(killed.restore().unwrap().set_aside.is_empty());
    let store = open(&killed.path(), Role::Server).unwrap();
    assert!(killed.is_restored(&store).await);
}

#[tokio::test]
async fn r01_a_log_without_its_database_is_not_taken_for_a_new_one() {
    let killed = Killed::new().await;
    fs::remove_file(killed.path()).unwrap();
    let Err(error) = open(&killed.path(), Role::Server) else {
        panic!("an empty database was created over the old log");
    };
    assert!(error.to_string().contains("tm-auth restore BACKUP"), "{error}");
    killed.restore().unwrap();
    let store = Arc::new(open(&killed.path(), Role::Server).unwrap());
    assert!(killed.is_restored(&store).await);
}
