//! Files and locks: one server, any number of commands, and no other program's schema.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{database, open};
use crate::conformance::given;
use crate::sqlite::{Role, pending_migrations, schema};
use crate::{Change, StoreError};

#[tokio::test]
async fn j21_a_second_server_is_refused_and_a_command_writes_beside_the_first() {
    let (server, folder) = database();
    let path = folder.path().join("tm-auth.db");
    let Err(error @ StoreError::Unusable(_)) = open(&path, Role::Server) else {
        panic!("a second server was accepted");
    };
    let line = error.to_string();
    assert!(
        line.contains("another tm-auth server is using") && line.contains("tm-auth.db"),
        "{line}"
    );

    let command = open(&path, Role::Command).unwrap();
    let key = given::key(&server).await;
    let before = server.changes(0).await.unwrap().latest;
    let (uid, key_id) = (key.account.uid, key.key_id);
    command
        .revoke_key(uid, key_id, &given::audit_context(1))
        .await
        .unwrap()
        .unwrap();
    // The server receives the command's change.
    assert_eq!(
        server.changes(before).await.unwrap().changes.unwrap(),
        [Change::Key(key_id)]
    );
    let (decided, _) = given::new_session(&key, 2);
    assert_eq!(
        server.open_session(decided).await.unwrap(),
        crate::OpenOutcome::Changed
    );
    // After the first server has stopped, another one can start.
    drop(server);
    open(&path, Role::Server).unwrap();
}

/// POSIX locks belong to the process, and closing any descriptor of a file drops them. Opening the
/// database once more and closing it must not drop the server's locks.
#[tokio::test]
async fn j21_opening_the_file_again_keeps_the_servers_locks() {
    let (server, folder) = database();
    let path = folder.path().join("tm-auth.db");
    assert!(locked(&path));
    pending_migrations(&path).unwrap();
    server.backup(&folder.path().join("copy.db")).await.unwrap();
    let command = open(&path, Role::Command).unwrap();
    drop(command);
    assert!(locked(&path));
}

/// Whether this process holds a POSIX lock on the database and on its shared memory
/// (proc_locks(5)).
fn locked(database: &Path) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let held = |path: &Path| {
        let inode = fs::metadata(path).unwrap().ino();
        let (pid, inode) = (format!(" {} ", std::process::id()), format!(":{inode} "));
        let mut lines = locks.lines().filter(|line| line.contains(" POSIX "));
        lines.any(|line| line.contains(&pid) && line.contains(&inode))
    };
    held(database) && held(&database.with_extension("db-shm"))
}

#[test]
fn the_files_are_private() {
    let (store, folder) = database();
    for name in [
        "tm-auth.db",
        "tm-auth.db-wal",
        "tm-auth.db-shm",
        "tm-auth.db.lock",
    ] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(store);
}

#[test]
fn another_programs_database_is_refused_and_unchanged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("theirs.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    let Err(error @ StoreError::Unusable(_)) = open(&path, Role::Command) else {
        panic!("another program's database was opened");
    };
    let line = error.to_string();
    assert!(line.contains("another program"), "{line}");
    assert!(fs::read(&path).unwrap() == before, "the file is unchanged");
}

#[test]
fn a_file_that_is_not_a_database_is_refused_and_unchanged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "not a database, but long enough to be taken for one by its size\n".repeat(100);
    fs::write(&path, &text).unwrap();
    let outcome = open(&path, Role::Command).map(|_| ());
    assert!(matches!(outcome, Err(StoreError::Unusable(_))), "{outcome:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

/// All tables, indexes and triggers with their SQL, and the record of the migrations.
fn schema_of(path: &Path) -> Vec<(String, String)> {
    let db = Connection::open(path).unwrap();
    let sql = "SELECT name, coalesce(sql, '') AS sql FROM sqlite_schema
        UNION ALL SELECT name, version || ' needs ' || min_compatible FROM schema_migrations ORDER BY name";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get("name")?, row.get("sql")?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// The files of a process that was killed after these statements of the migration from this
/// version.
fn killed_in_migration(version: usize, begun: &str) -> TempDir {
    let (folder, after_kill) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut db = Connection::open(folder.path().join("tm-auth.db")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    // A small cache, so that uncommitted pages reach the disk.
    db.pragma_update(None, "cache_size", 1).unwrap();
    schema::migrate_to(&mut db, version).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db.execute_batch(begun).unwrap();
    // A killed process leaves the files as they are now.
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), after_kill.path().join(entry.file_name())).unwrap();
        }
    }
    after_kill
}

#[test]
fn j14_a_migration_killed_at_any_statement_is_resumed_to_the_same_schema() {
    let (_store, fresh) = database();
    let expected = schema_of(&fresh.path().join("tm-auth.db"));
    let mut kills = 0;
    for (version, migration) in schema::MIGRATIONS.iter().enumerate() {
        let mut begun = String::new();
        for line in migration.sql.lines() {
            begun.push_str(line);
            begun.push('\n');
            // A statement ends at the end of a line, and a trigger with the END of its body.
            if !line.ends_with(';') {
                continue;
            }
            kills += 1;
            let after_kill = killed_in_migration(version, &begun);
            let path = after_kill.path().join("tm-auth.db");
            assert_eq!(pending_migrations(&path).unwrap(), schema::pending(version));
            open(&path, Role::Server).unwrap();
            assert_eq!(schema_of(&path), expected);
            assert_eq!(pending_migrations(&path).unwrap(), [""; 0]);
        }
    }
    assert!(kills > 10, "{kills}");
}

#[test]
fn j14_processes_that_start_at_the_same_time_migrate_once() {
    let (_store, fresh) = database();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tm-auth.db");
    assert_eq!(pending_migrations(&path).unwrap(), schema::pending(0));
    assert!(!path.exists(), "listing migrations creates no file");
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| open(&path, Role::Command).map(|_| ())))
            .collect();
        for opened in opening {
            opened.join().unwrap().unwrap();
        }
    });
    assert_eq!(schema_of(&path), schema_of(&fresh.path().join("tm-auth.db")));
    open(&path, Role::Server).unwrap();
    let version = schema::version(&Connection::open(&path).unwrap()).unwrap();
    assert_eq!(schema::pending(version), [""; 0]);
}

/// A database after this SQL.
fn changed(sql: &str) -> TempDir {
    let (store, folder) = database();
    drop(store);
    let db = Connection::open(folder.path().join("tm-auth.db")).unwrap();
    db.execute_batch(sql).unwrap();
    folder
}

fn refusal(folder: &TempDir) -> String {
    let path = folder.path().join("tm-auth.db");
    match open(&path, Role::Server) {
        Err(error @ StoreError::Unusable(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the schema was accepted"),
    }
}

#[test]
fn r41_a_schema_that_this_version_is_too_old_for_is_refused_and_unchanged() {
    let newer = |min_compatible: i64| {
        changed(&format!(
            "INSERT INTO schema_migrations (version, name, min_compatible) VALUES (99, '0099_newer', {min_compatible});
             PRAGMA user_version = 99;"
        ))
    };
    let known = i64::try_from(schema::MIGRATIONS.len()).unwrap();
    open(&newer(known).path().join("tm-auth.db"), Role::Server).unwrap();

    let folder = newer(known + 1);
    let path = folder.path().join("tm-auth.db");
    let before = schema_of(&path);
    let told = refusal(&folder);
    for part in [
        "version 99".to_owned(),
        format!("knows version {}", known + 1),
        format!("tm-auth {}, which knows {known}", env!("CARGO_PKG_VERSION")),
        "install the newer tm-auth".to_owned(),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    assert_eq!(pending_migrations(&path).unwrap_err().to_string(), told);
    assert_eq!(crate::sqlite::inspect(&path).unwrap_err().to_string(), told);
    assert_eq!(schema_of(&path), before);
}

#[test]
fn r41_a_version_without_its_record_is_refused() {
    let told = refusal(&changed("PRAGMA user_version = 99"));
    assert!(
        told.contains("99") && told.contains("schema_migrations ends with version 1"),
        "{told}"
    );
    let told = refusal(&changed("DROP TABLE schema_migrations"));
    assert!(told.contains("no table schema_migrations"), "{told}");
}

#[test]
fn r42_a_missing_table_or_column_is_named_at_the_start() {
    for table in crate::transfer::TABLES {
        let (column, _) = table.columns.last().unwrap();
        let renamed = format!("ALTER TABLE {} RENAME COLUMN {column} TO another", table.name);
        let told = refusal(&changed(&renamed));
        assert!(
            told.contains(&format!("{} has no column {column}", table.name)),
            "{told}"
        );
        let renamed = format!("ALTER TABLE {} RENAME TO another", table.name);
        let folder = changed(&renamed);
        let told = refusal(&folder);
        assert!(told.contains(&format!("no table {}", table.name)), "{told}");
        let inspected = crate::sqlite::inspect(&folder.path().join("tm-auth.db"));
        assert_eq!(inspected.unwrap_err().to_string(), told);
    }
}
