//! Damaged pages: what a start, a full check and a running service notice.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tm_auth_proto::Environment;

use super::super::{Role, SqliteOptions, Synchronous, integrity, open_existing};
use super::{database, open};
use crate::conformance::given;
use crate::error::Chain;
use crate::transfer::TABLES;
use crate::{OpenOutcome, Result, Store, StoreError};

/// The environment variable that sets the number of damaged copies.
const COPIES: &str = "TM_AUTH_TEST_DAMAGED_COPIES";
const PAGE: usize = 4096;
const SECTOR: usize = 512;

fn open_fast(path: &Path) -> Result<Store> {
    super::super::open(&SqliteOptions {
        path: path.to_owned(),
        role: Role::Server,
        synchronous: Synchronous::Off,
    })
}

/// The contents of all tables, if they can be read.
fn contents(path: &Path) -> Option<Vec<Vec<Value>>> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let mut rows = Vec::new();
    for table in TABLES {
        let mut statement = db.prepare(&format!("SELECT * FROM {}", table.name)).ok()?;
        let columns = statement.column_count();
        let found = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
        rows.extend(found.ok()?.collect::<rusqlite::Result<Vec<Vec<Value>>>>().ok()?);
    }
    Some(rows)
}

/// What `doctor --full` runs on the file.
async fn fully_checked(path: &Path) -> Result<()> {
    integrity::full(&open_existing(path)?)?;
    let store = super::super::open(&SqliteOptions {
        path: path.to_owned(),
        role: Role::Command,
        synchronous: Synchronous::Off,
    })?;
    store.check_rows().await.map(drop)
}

fn xorshift(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 16).unwrap()
}

/// Damages one page as disks and memory do.
fn damage(bytes: &mut [u8], kind: usize, random: &mut u64) -> &'static str {
    let page = xorshift(random) % (bytes.len() / PAGE) * PAGE;
    let sector = page + xorshift(random) % (PAGE / SECTOR) * SECTOR;
    match kind {
        0 => {
            let noise = (0..SECTOR).map(|_| xorshift(random).to_le_bytes()[0]);
            bytes[sector..sector + SECTOR]
                .iter_mut()
                .zip(noise)
                .for_each(|(byte, noise)| *byte = noise);
            "noise in a sector"
        }
        1 => {
            bytes[sector..sector + SECTOR].fill(0);
            "a sector of zeros"
        }
        2 => {
            let other = xorshift(random) % (bytes.len() / PAGE) * PAGE;
            bytes.copy_within(other..other + PAGE, page);
            "a page in the place of another"
        }
        _ => {
            let at = page + xorshift(random) % PAGE;
            bytes[at] ^= 1 << (xorshift(random) % 8);
            "one bit"
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_damaged_pages_are_noticed_and_never_revive_a_revoked_key() {
    let copies = std::env::var(COPIES).map_or(120, |text| text.parse().unwrap());
    let (store, folder) = database();
    store.bind_environment(Environment::Uat).await.unwrap();
    let mut revoked = None;
    for number in 0..40 {
        let key = given::key(&store).await;
        for _ in 0..10 {
            given::session(&store, &key).await;
        }
        if number % 2 == 0 {
            let (uid, key_id) = (key.account.uid, key.key_id);
            store
                .revoke_key(uid, key_id, &given::audit_context(50))
                .await
                .unwrap()
                .unwrap();
            revoked = store.api_key(key_id).await.unwrap();
        }
    }
    let revoked = revoked.unwrap();
    let sound = folder.path().join("sound");
    store.backup(&sound).await.unwrap();
    let (bytes, expected) = (fs::read(&sound).unwrap(), contents(&sound).unwrap());
    fully_checked(&sound).await.unwrap();

    let mut random = 0x5eed_f00d_u64;
    let (mut noticed, mut harmless, mut unnoticed) = (0, 0, 0);
    for number in 0..copies {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tm-auth.db");
        let mut damaged = bytes.clone();
        let kind = damage(&mut damaged, number % 4, &mut random);
        fs::write(&path, &damaged).unwrap();
        if fully_checked(&path).await.is_err() {
            noticed += 1;
        } else if contents(&path).is_some_and(|found| found == expected) {
            // Free pages and unused space of used ones.
            harmless += 1;
        } else {
            // A value became another value of its type. Only a checksum could notice it.
            assert_eq!(kind, "one bit", "copy {number}");
            unnoticed += 1;
        }
        // A server that starts nevertheless refuses the revoked key.
        fs::write(&path, &damaged).unwrap();
        let Ok(store) = open_fast(&path) else { continue };
        let (new, _) = given::new_session(&revoked, 60);
        if let Ok(outcome) = store.open_session(new).await {
            assert_ne!(outcome, OpenOutcome::Opened, "copy {number}, {kind}");
        }
        if let Ok(Some(key)) = store.api_key(revoked.key_id).await {
            assert!(key.lifecycle.revoked_at().is_some(), "copy {number}, {kind}");
        }
    }
    println!("{copies} damaged copies: {noticed} noticed, {harmless} harmless, {unnoticed} not noticed");
    assert!(noticed > copies / 3, "{noticed} of {copies}");
    assert!(unnoticed <= copies / 4, "{unnoticed} of {copies}");
}

/// Overwrites all but the first page, as the schema is needed to open the file at all.
fn overwrite(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[PAGE..].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn r02_a_server_does_not_start_on_a_damaged_file_and_says_what_to_do() {
    let (store, folder) = database();
    given::key(&store).await;
    let copy = folder.path().join("copy");
    store.backup(&copy).await.unwrap();
    overwrite(&copy);
    let Err(error @ StoreError::Unusable(_)) = open(&copy, Role::Server) else {
        panic!("a damaged file was served");
    };
    let line = error.to_string();
    assert!(
        line.contains("damaged") && line.contains("tm-auth restore BACKUP"),
        "{line}"
    );
    // An index that lacks a row: only the full check compares it with the table.
    let missing = folder.path().join("missing");
    store.backup(&missing).await.unwrap();
    let db = Connection::open(&missing).unwrap();
    db.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX api_keys_by_uid ON api_keys (key_id, created_at)'
         WHERE name = 'api_keys_by_uid';",
    )
    .unwrap();
    drop(db);
    assert!(integrity::full(&open_existing(&missing).unwrap()).is_err());
}

#[test]
fn r02_the_check_at_a_start_takes_a_bounded_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "CREATE TABLE large (x BLOB);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO large SELECT randomblob(1000) FROM n",
    )
    .unwrap();
    // Interrupted at once, or done before: the start goes on either way.
    integrity::quick_within(&db, Duration::ZERO).unwrap();
    integrity::quick(&db).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_damage_under_a_running_server_fails_its_calls_and_readiness() {
    let (store, folder) = database();
    let path = folder.path().join("tm-auth.db");
    let key = given::key(&store).await;
    for _ in 0..50 {
        given::session(&store, &key).await;
    }
    drop(store);
    let store = open(&path, Role::Server).unwrap();
    store.ping().await.unwrap();
    // The rows come from the file from here on: no connection has its pages in memory.
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    overwrite(&path);
    let error = store.api_key(key.key_id).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{}", Chain(&error));
    for _ in 0..2 {
        let error = store.ping().await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{}", Chain(&error));
    }
}
