//! Moving a deployment between the databases and back, and everything that an import must refuse.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::NewSession;
use tm_auth_core::{ApiKey, Refusal};
use tm_auth_testing::postgres::Postgres;

use super::*;
use crate::conformance::given;
use crate::postgres::PostgresOptions;
use crate::sql::value::{Kind, Value};
use crate::sqlite::{Role, SqliteOptions, Synchronous};
use crate::{AuditAction, OpenOutcome, Store};

fn sqlite(folder: &TempDir, name: &str) -> Arc<Store> {
    let options = SqliteOptions {
        path: folder.path().join(name),
        role: Role::Server,
        synchronous: Synchronous::Off,
    };
    Arc::new(crate::sqlite::open(&options).unwrap())
}

async fn postgres() -> Arc<Store> {
    let options = PostgresOptions {
        url: Postgres::shared().database(),
        max_connections: 4,
    };
    Arc::new(crate::postgres::open(&options).await.unwrap())
}

/// A deployment with rows in every table.
struct Deployment {
    store: Arc<Store>,
    key: ApiKey,
    session: (NewSession, SessionSecret),
    revoked: ApiKey,
}

impl Deployment {
    async fn new(store: Arc<Store>) -> Self {
        store.bind_environment(Environment::Uat).await.unwrap();
        let key = given::key(&store).await;
        let session = given::session(&store, &key).await;
        let revoked = given::key(&store).await;
        let uid = revoked.account.uid;
        store
            .revoke_key(uid, revoked.key_id, &given::audit_context(1))
            .await
            .unwrap()
            .unwrap();
        let (of, key_id) = (key.account.uid, key.key_id);
        store
            .write(async move |tx| {
                for table in TABLES {
                    fill(tx, table, of.0.as_bytes(), key_id.0.as_bytes()).await?;
                }
                Ok(())
            })
            .await
            .unwrap();
        Self {
            store,
            key,
            session,
            revoked,
        }
    }
}

/// Adds rows to the empty tables. One table gets more than a batch of them, so that a batch's
/// boundary is tested.
async fn fill(tx: &mut Tx<'_>, table: &Table, uid: &[u8], key_id: &[u8]) -> Result<()> {
    let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
    if tx.exists(&sql, args![]).await? {
        return Ok(());
    }
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let places: Vec<String> = (1..=columns.len()).map(|number| format!("?{number}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name,
        columns.join(", "),
        places.join(", ")
    );
    let rows: i64 = match table.name {
        "email_codes" => 2_345,
        "released_addresses" => 200,
        // One row per account.
        "apple_identities" | "recoveries" => 1,
        _ => 3,
    };
    for row in 0..rows {
        let text = format!("ü\n\"{row}\u{2028}");
        let bytes = row.to_be_bytes();
        let value = |(name, kind): &(&str, Kind)| match (*name, *kind) {
            ("uid", _) => Value::Blob(uid),
            ("key_id", _) => Value::Blob(key_id),
            (_, Kind::Integer) => Value::Integer(row),
            (_, Kind::Text) => Value::Text(&text),
            (_, Kind::Blob) => Value::Blob(&bytes),
        };
        let args: Vec<Value<'_>> = table.columns.iter().map(value).collect();
        tx.execute(&sql, &args).await?;
    }
    Ok(())
}

async fn exported(store: &Store, folder: &TempDir, name: &str) -> (PathBuf, Contents) {
    let file = folder.path().join(name);
    let contents = store.export(&file, given::at(2)).await.unwrap();
    (file, contents)
}

async fn imported(store: &Store, file: &Path) -> Result<Contents> {
    store
        .import(file, Environment::Uat, &given::audit_context(3))
        .await
}

/// The tables except the audit trail, to which an import adds an entry.
fn sums(contents: &Contents) -> BTreeMap<&str, (u64, &str)> {
    let others = contents.tables.iter().filter(|table| table.name != "audit");
    others
        .map(|table| (table.name.as_str(), (table.rows, table.sha256.as_str())))
        .collect()
}

#[tokio::test]
async fn an_export_is_imported_row_by_row_into_either_database() {
    let folder = TempDir::new().unwrap();
    let first = Deployment::new(sqlite(&folder, "first.db")).await;
    let (file, contents) = exported(&first.store, &folder, "1").await;
    assert!(contents.tables.iter().all(|table| table.rows > 0), "{contents:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let second = postgres().await;
    assert_eq!(imported(&second, &file).await.unwrap(), contents);
    let (file, again) = exported(&second, &folder, "2").await;
    assert_eq!(sums(&again), sums(&contents));

    let third = sqlite(&folder, "third.db");
    imported(&third, &file).await.unwrap();
    let (_, again) = exported(&third, &folder, "3").await;
    assert_eq!(sums(&again), sums(&contents));
    for store in [&second, &third] {
        continues(store, &first).await;
    }
}

#[tokio::test]
async fn r26_an_address_that_no_login_finds_is_not_imported() {
    let folder = TempDir::new().unwrap();
    let store = sqlite(&folder, "old.db");
    store.bind_environment(Environment::Uat).await.unwrap();
    let new = given::new_account(Some("bob@example.com"), 0);
    let uid = new.uid;
    store
        .create_account(new, &given::audit_context(0))
        .await
        .unwrap()
        .unwrap();
    store
        .write(async move |tx| {
            let sql = "UPDATE accounts SET email = 'Bob@Example.com' WHERE uid = ?1";
            tx.execute(sql, args![uid]).await
        })
        .await
        .unwrap();
    let (file, _) = exported(&store, &folder, "1").await;
    for target in [sqlite(&folder, "new.db"), postgres().await] {
        let refusal = imported(&target, &file).await.unwrap_err().to_string();
        for part in [uid.to_string().as_str(), "Bob@Example.com", "bob@example.com"] {
            assert!(refusal.contains(part), "{part}: {refusal}");
        }
        assert!(target.accounts().await.unwrap().is_empty());
    }
}

/// Sessions continue, replays are refused, revoked keys stay revoked, and new rows get new numbers.
async fn continues(store: &Arc<Store>, from: &Deployment) {
    let (new, secret) = &from.session;
    let replay = NewSession {
        open_nonce: [0xaa; 16],
        ..new.clone()
    };
    assert_eq!(store.open_session(replay).await.unwrap(), OpenOutcome::Replayed);
    let rotated = store
        .rotate_session(given::rotation(new.sid, secret, 0, 10))
        .await;
    assert_eq!(rotated.unwrap().unwrap().key, from.key);
    let (decided, _) = given::new_session(&from.revoked, 20);
    assert_eq!(store.open_session(decided).await.unwrap(), OpenOutcome::Changed);
    let trail = store.audit_trail(None, 1).await.unwrap();
    assert_eq!(trail[0].action, AuditAction::DatabaseImported);
    given::key(store).await;
    let before = store.changes(0).await.unwrap().latest;
    let (uid, key_id) = (from.key.account.uid, from.key.key_id);
    let revoked = store
        .revoke_key(uid, key_id, &given::audit_context(30))
        .await
        .unwrap();
    revoked.unwrap();
    assert_eq!(store.changes(0).await.unwrap().latest, before + 1);
    let refused = store
        .rotate_session(given::rotation(new.sid, secret, 1, 40))
        .await;
    assert_eq!(refused.unwrap(), Err(Refusal::KeyRevoked.into()));
}

#[tokio::test]
async fn an_incomplete_import_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let first = Deployment::new(sqlite(&folder, "first.db")).await;
    let (file, _) = exported(&first.store, &folder, "whole").await;
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let row = lines.iter().position(|line| line.contains("\"bot\"")).unwrap();
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != left_out);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let cases = [
        (
            "the last line is missing",
            without(lines.len() - 1),
            "not complete",
        ),
        ("a row is missing", without(row), "api_keys: the file promises"),
        (
            "a row is altered",
            whole.replacen("\"bot\"", "\"bat\"", 1),
            "api_keys: the file promises",
        ),
        (
            "a column is missing",
            whole.replacen("\"bot\",", "", 1),
            "a wrong number of columns",
        ),
        (
            "a value has another type",
            whole.replacen("\"bot\"", "7", 1),
            "not Text",
        ),
        ("a table is missing", without(1), "does not begin a table"),
        ("something follows", format!("{whole}{{}}\n"), "should be the end"),
        (
            "another format",
            whole.replacen("export\":1", "export\":2", 1),
            "format 2",
        ),
        ("not an export", "{}\n".to_owned(), "not the beginning"),
        ("an empty file", String::new(), "not complete"),
    ];
    for target in [sqlite(&folder, "second.db"), postgres().await] {
        for (case, text, told) in &cases {
            let broken = folder.path().join("broken");
            fs::write(&broken, text).unwrap();
            let error = imported(&target, &broken).await.unwrap_err();
            assert!(matches!(error, StoreError::Unusable(_)), "{case}: {error:?}");
            assert!(error.to_string().contains(told), "{case}: {error}");
        }
        let other = target
            .import(&file, Environment::Production, &given::audit_context(3))
            .await;
        assert!(other.unwrap_err().to_string().contains("of the uat environment"));
        // The database is still empty.
        imported(&target, &file).await.unwrap();
        let twice = imported(&target, &file).await.unwrap_err();
        assert!(twice.to_string().contains("not empty"), "{twice}");
    }
}

#[tokio::test]
async fn an_export_never_overwrites_a_file_and_needs_a_database_with_an_environment() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("export");
    let empty = sqlite(&folder, "empty.db");
    let error = empty.export(&target, given::at(0)).await.unwrap_err();
    assert!(error.to_string().contains("it is empty"), "{error}");
    assert!(!target.exists(), "the incomplete file is removed");

    fs::write(&target, "mine").unwrap();
    empty.bind_environment(Environment::Uat).await.unwrap();
    empty.export(&target, given::at(0)).await.unwrap_err();
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
}

/// Detects a column that a migration adds and `TABLES` lacks.
#[tokio::test]
async fn the_list_of_tables_matches_the_migrations() {
    let folder = TempDir::new().unwrap();
    let expected: BTreeMap<String, Vec<String>> = TABLES
        .iter()
        .map(|table| {
            let mut columns: Vec<String> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            columns.sort();
            (table.name.to_owned(), columns)
        })
        .collect();
    let queries = [
        (
            sqlite(&folder, "schema.db"),
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'schema_migrations' ORDER BY 1, 2",
        ),
        (
            postgres().await,
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name <> 'schema_migrations'",
        ),
    ];
    for (store, sql) in queries {
        let columns = store.read(async move |tx| {
            tx.list(sql, args![], |columns| Ok((columns.next()?, columns.next()?)))
                .await
        });
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (table, column) in columns.await.unwrap() {
            found.entry(table).or_default().push(column);
        }
        for columns in found.values_mut() {
            columns.sort();
        }
        assert_eq!(found, expected);
    }
}
