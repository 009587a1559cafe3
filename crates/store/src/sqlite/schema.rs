//! Migrations.

use rusqlite::{Connection, TransactionBehavior};

use crate::{Result, StoreError};

/// All migrations in order. `PRAGMA user_version` is the number of those that were run.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[("0001_initial", include_str!("0001_initial.sql"))];

/// Marks the file as a database of this service ("tmau").
const APPLICATION_ID: i64 = 0x746d_6175;

pub(super) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(version).map_err(|_| StoreError::unusable("the database has a negative schema version"))
}

pub(super) fn pending(version: usize) -> Vec<&'static str> {
    MIGRATIONS.iter().skip(version).map(|(name, _)| *name).collect()
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
        if let Some((name, sql)) = MIGRATIONS.get(at) {
            tx.execute_batch(sql)?;
            tx.pragma_update(
                None,
                "user_version",
                i64::try_from(at + 1).expect("the number of migrations is small"),
            )?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tracing::info!(migration = name, "schema migrated");
        }
        tx.commit()?;
    }
    Ok(())
}
