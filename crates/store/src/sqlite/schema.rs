//! Migrations.

use std::collections::HashSet;

use rusqlite::{Connection, TransactionBehavior, params};

use crate::schema::{Migration, Recorded, check_columns};
use crate::{Result, StoreError};

/// All migrations in order. `PRAGMA user_version` is the number of those that were run.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    name: "0001_initial",
    sql: include_str!("0001_initial.sql"),
    min_compatible: 1,
}];

/// Marks the file as a database of this service ("tmau").
const APPLICATION_ID: i64 = 0x746d_6175;

pub(super) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(version).map_err(|_| StoreError::unusable("the database has a negative schema version"))
}

pub(super) fn pending(version: usize) -> Vec<&'static str> {
    MIGRATIONS
        .iter()
        .skip(version)
        .map(|migration| migration.name)
        .collect()
}

/// Fails if the file has another program's tables.
pub(super) fn refuse_foreign(connection: &Connection) -> Result<()> {
    // One statement, so one snapshot: another process may be migrating an empty file.
    let (id, tables): (i64, i64) = connection.query_row(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) AS tables FROM pragma_application_id",
        [],
        |row| Ok((row.get("application_id")?, row.get("tables")?)),
    )?;
    if id != APPLICATION_ID && tables > 0 {
        return Err(StoreError::unusable(
            "the file is a SQLite database of another program",
        ));
    }
    Ok(())
}

/// Fails if this binary is too old for the schema. Does nothing if the file is empty.
pub(super) fn refuse_newer(connection: &Connection) -> Result<()> {
    if version(connection)? == 0 {
        return Ok(());
    }
    let is_recorded: bool = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'",
        [],
        |row| row.get(0),
    )?;
    if !is_recorded {
        return Err(StoreError::unusable(
            "the database has no table schema_migrations: it was created by a tm-auth before 0.2.0, or another program changed it",
        ));
    }
    // One statement, so one snapshot: another process may be migrating.
    let (version, last, min_compatible) = connection.query_row(
        "SELECT (SELECT user_version FROM pragma_user_version) AS version,
                coalesce(max(version), 0) AS last, coalesce(max(min_compatible), 0) AS min_compatible
         FROM schema_migrations",
        [],
        |row| {
            Ok((
                row.get::<_, i64>("version")?,
                row.get::<_, i64>("last")?,
                row.get("min_compatible")?,
            ))
        },
    )?;
    if version != last {
        return Err(StoreError::unusable(format!(
            "the database says that its schema has version {version} (user_version), but its table schema_migrations ends with version {last}; another program changed it, so restore a backup"
        )));
    }
    Recorded {
        version,
        min_compatible,
    }
    .check(MIGRATIONS)
}

/// Fails if the migrated schema is not one that this binary can use.
pub(super) fn check(connection: &Connection) -> Result<()> {
    refuse_newer(connection)?;
    let mut statement = connection.prepare(
        "SELECT t.name AS of, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'",
    )?;
    let found = statement
        .query_map([], |row| Ok((row.get("of")?, row.get("name")?)))?
        .collect::<rusqlite::Result<HashSet<(String, String)>>>()?;
    check_columns(&found)
}

/// Runs pending migrations, each in one transaction with its version number, so that a crash leaves
/// it applied completely or not at all. Processes that start at the same time wait for each other
/// on the write lock.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    migrate_to(connection, MIGRATIONS.len())
}

pub(super) fn migrate_to(connection: &mut Connection, newest: usize) -> Result<()> {
    // An older binary works on a newer schema: see `README-migrations.md`.
    while version(connection)? < newest {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let at = version(&tx)?;
        if let Some(migration) = MIGRATIONS.get(at) {
            let number = i64::try_from(at + 1).expect("the number of migrations is small");
            tx.execute_batch(migration.sql)?;
            tx.execute(
                "INSERT INTO schema_migrations (version, name, min_compatible) VALUES (?1, ?2, ?3)",
                params![number, migration.name, migration.min_compatible],
            )?;
            tx.pragma_update(None, "user_version", number)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tracing::info!(migration = migration.name, "schema migrated");
        }
        tx.commit()?;
    }
    Ok(())
}
