//! A full disk: every waiting caller gets an error, no acknowledged write is lost, reads still
//! work, and writes work again without a restart once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use super::{database, engine, integrity, open};
use crate::conformance::given;
use crate::sql::{On, Tx, args};
use crate::sqlite::Role;
use crate::{AuditAction, AuditContext, AuditEntry, Result, Store, StoreError};

/// A write of many pages.
fn large() -> AuditEntry {
    AuditEntry {
        audit_context: AuditContext::service(given::at(0)),
        action: AuditAction::LimitReached,
        uid: None,
        key_id: None,
        sid: None,
        detail: Some("x".repeat(40_000)),
    }
}

/// Opens sessions, each followed by a large write, until there is no room. Returns the acknowledged
/// ones.
async fn write_until_full(store: &Arc<Store>) -> Vec<tm_auth_core::session::NewSession> {
    let key = given::key(store).await;
    let mut acknowledged = Vec::new();
    for _ in 0..10_000 {
        let (new, _) = given::new_session(&key, 0);
        match store.open_session(new.clone()).await {
            Ok(_) => acknowledged.push(new),
            Err(StoreError::Unavailable(_)) => return acknowledged,
            Err(other) => panic!("{other}"),
        }
        match store.audit(vec![large()]).await {
            Ok(()) | Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the disk never filled up");
}

async fn every_caller_gets_an_error(store: &Arc<Store>) {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = Arc::clone(store);
        callers.spawn(async move { store.audit(vec![large()]).await });
    }
    for outcome in callers.join_all().await {
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
}

/// Checks that each acknowledged session is stored and that keys can be read.
async fn nothing_is_lost(store: &Arc<Store>, acknowledged: &[tm_auth_core::session::NewSession]) {
    for new in acknowledged {
        let sid = new.sid;
        let found = engine(store)
            .read(async move |tx| {
                tx.exists("SELECT 1 FROM sessions WHERE sid = ?1", args![sid])
                    .await
            })
            .await;
        assert!(found.unwrap());
    }
    assert!(!acknowledged.is_empty());
    assert!(store.api_key(acknowledged[0].key_id).await.unwrap().is_some());
}

async fn limit_pages(store: &Arc<Store>, more: i64) -> Result<()> {
    let limit = async move |tx: &mut Tx<'_>| {
        let On::Sqlite(tx) = &mut tx.on else {
            unreachable!()
        };
        let pages: i64 = tx.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let set: i64 = tx.pragma_update_and_check(None, "max_page_count", pages + more, |row| row.get(0))?;
        assert_eq!(set, pages + more);
        Ok(())
    };
    engine(store).write(limit).await
}

#[tokio::test]
async fn j11_a_database_at_its_size_limit_refuses_writes_and_recovers() {
    let (store, folder) = database();
    limit_pages(&store, 60).await.unwrap();
    let acknowledged = write_until_full(&store).await;
    every_caller_gets_an_error(&store).await;
    nothing_is_lost(&store, &acknowledged).await;
    limit_pages(&store, 100_000).await.unwrap();
    store.ping().await.unwrap();
    store.audit(vec![large()]).await.unwrap();
    let key = store.api_key(acknowledged[0].key_id).await.unwrap().unwrap();
    given::session(&store, &key).await;
    nothing_is_lost(&store, &acknowledged).await;
    assert_eq!(integrity(&folder.path().join("tm-auth.db")), "ok");
}

/// A file system of one megabyte. Only root can create one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path());
        let mounted = mount.status().is_ok_and(|status| status.success());
        assert!(
            mounted,
            "cannot mount a file system of 1 MB: run this test as root (scripts/tools says what tests need)"
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since the writer thread may keep its file open for a moment.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test]
async fn j11_a_full_disk_refuses_writes_and_recovers() {
    let disk = SmallDisk::mount();
    let ballast: PathBuf = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 300_000]).unwrap();
    let path = disk.path().join("tm-auth.db");
    let store = Arc::new(open(&path, Role::Server).unwrap());
    let acknowledged = write_until_full(&store).await;
    every_caller_gets_an_error(&store).await;
    nothing_is_lost(&store, &acknowledged).await;
    assert!(store.ping().await.is_err());

    std::fs::remove_file(ballast).unwrap();
    store.ping().await.unwrap();
    let key = store.api_key(acknowledged[0].key_id).await.unwrap().unwrap();
    given::session(&store, &key).await;
    nothing_is_lost(&store, &acknowledged).await;
    assert_eq!(integrity(&path), "ok");
}
