//! Migrations, and to which environment a database belongs.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use tm_auth_proto::Environment;

use crate::{Result, StoreError};

/// All migrations in order; `PRAGMA user_version` counts those that were run.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_initial", include_str!("0001_initial.sql")),
    ("0002_people", include_str!("0002_people.sql")),
];

/// Marks the file as one of ours ("tmau").
const APPLICATION_ID: i64 = 0x746d_6175;

pub(super) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(version)
        .map_err(|_| StoreError::Unusable("the database has a negative schema version".to_owned()))
}

pub(super) fn pending(version: usize) -> Vec<&'static str> {
    MIGRATIONS.iter().skip(version).map(|(name, _)| *name).collect()
}

/// Refuses a file that holds another program's tables.
pub(super) fn refuse_foreign(connection: &Connection) -> Result<()> {
    // One statement reads one snapshot: somebody else may be migrating an empty file at this moment.
    let (id, tables): (i64, i64) = connection.query_row(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if id != APPLICATION_ID && tables > 0 {
        return Err(StoreError::Unusable(
            "the file is a SQLite database of another program".to_owned(),
        ));
    }
    Ok(())
}

/// Runs what is pending, each migration with its version number in one transaction: a crash leaves the one
/// or the other. Two processes that start at once wait for each other on the write lock.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    migrate_to(connection, MIGRATIONS.len())
}

pub(super) fn migrate_to(connection: &mut Connection, newest: usize) -> Result<()> {
    // An older binary on a newer schema is fine: migrations only ever add within one step of versions.
    while version(connection)? < newest {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let at = version(&tx)?;
        if let Some((name, sql)) = MIGRATIONS.get(at) {
            tx.execute_batch(sql)?;
            tx.pragma_update(
                None,
                "user_version",
                i64::try_from(at + 1).expect("a handful of migrations"),
            )?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tracing::info!(migration = name, "schema migrated");
        }
        tx.commit()?;
    }
    Ok(())
}

pub(super) fn setting(db: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

pub(super) fn set_setting(tx: &Connection, name: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.prepare_cached(sql)?.execute([name, value])?;
    Ok(())
}

pub(super) fn bind_environment(tx: &Connection, environment: Environment) -> Result<()> {
    match setting(tx, "environment")? {
        None => set_setting(tx, "environment", environment.as_str()),
        Some(bound) if bound == environment.as_str() => Ok(()),
        Some(bound) => Err(StoreError::Unusable(format!(
            "the database belongs to the {bound} environment, the configuration says {environment}"
        ))),
    }
}
