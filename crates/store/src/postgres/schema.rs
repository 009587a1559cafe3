//! Migrations.
//!
//! 1. The table `schema_migrations` is created if it does not exist. Its row 0 is the lock.
//! 2. Each pending migration is one transaction. It locks row 0, reads again which migration is
//!    next, runs it and records it. A node that starts at the same time waits for the lock and then
//!    finds the migration done. If a node dies, PostgreSQL rolls its DDL
//!    back. If it does not get a lock soon, it rolls back and tries again: see [`super::lock_wait`].
//! 3. The node refuses a schema that it is too old for, or that lacks a column.
//!
//! An older binary works on a newer schema: see `README-migrations.md`.

use std::collections::HashSet;

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::is_conflict;
use super::lock_wait::{LOCK_WAIT, LockWait, watched};
use crate::schema::{Migration, Recorded, check_columns};
use crate::{Result, StoreError};

/// All migrations in order, numbered from 1.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    name: "0001_initial",
    sql: include_str!("0001_initial.sql"),
    min_compatible: 1,
}];

/// Attempts to create the table. Nodes that do so at the same time collide in the catalogue, even
/// with `IF NOT EXISTS`.
const MAX_ATTEMPTS: u32 = 10;

pub(super) fn pending(version: usize) -> Vec<&'static str> {
    MIGRATIONS
        .iter()
        .skip(version)
        .map(|migration| migration.name)
        .collect()
}

/// Returns the number of migrations that were run. Fails if the database has another program's
/// tables.
pub(super) async fn version(pool: &PgPool) -> Result<usize> {
    let mut connection = pool.acquire().await?;
    let (ours, others): (bool, bool) = sqlx::query_as(
        "SELECT to_regclass('schema_migrations') IS NOT NULL, EXISTS (
             SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename <> 'schema_migrations')",
    )
    .fetch_one(&mut *connection)
    .await?;
    match (ours, others) {
        (true, _) => newest(&mut connection).await,
        (false, false) => Ok(0),
        (false, true) => Err(StoreError::unusable(
            "the PostgreSQL database has another program's tables; give tm-auth its own database",
        )),
    }
}

async fn newest(connection: &mut PgConnection) -> Result<usize> {
    let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM schema_migrations")
        .fetch_one(connection)
        .await?;
    usize::try_from(newest).map_err(|_| StoreError::unusable("the schema has a negative version"))
}

pub(super) async fn migrate(pool: &PgPool) -> Result<()> {
    if version(pool).await? >= MIGRATIONS.len() {
        return Ok(());
    }
    let mut attempts = 1;
    while let Err(error) = make_table(pool).await {
        if !is_collision(&error) || attempts == MAX_ATTEMPTS {
            return Err(error.into());
        }
        attempts += 1;
    }
    run(pool, MIGRATIONS, LOCK_WAIT).await
}

/// Fails if this binary is too old for the schema. Does nothing if the database is empty.
pub(super) async fn refuse_newer(pool: &PgPool) -> Result<()> {
    if version(pool).await? == 0 {
        return Ok(());
    }
    let (version, min_compatible) =
        sqlx::query_as("SELECT max(version), max(min_compatible) FROM schema_migrations")
            .fetch_one(pool)
            .await?;
    Recorded {
        version,
        min_compatible,
    }
    .check(MIGRATIONS)
}

/// Fails if the migrated schema is not one that this binary can use.
pub(super) async fn check(pool: &PgPool) -> Result<()> {
    refuse_newer(pool).await?;
    // Not `information_schema`, which hides columns that the role has no right to.
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = to_regnamespace(current_schema()::text)
           AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .fetch_all(pool)
    .await?;
    check_columns(&HashSet::from_iter(found))
}

/// Whether another node created the table meanwhile.
fn is_collision(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    is_conflict(error)
        || matches!(
            code.as_deref(),
            Some(
                "42P07"   // duplicate_table
                | "42710" // duplicate_object: the table's row type
            )
        )
}

async fn make_table(pool: &PgPool) -> sqlx::Result<()> {
    let sql = "CREATE TABLE IF NOT EXISTS schema_migrations (
            version        BIGINT PRIMARY KEY,
            name           TEXT NOT NULL,
            min_compatible BIGINT NOT NULL, -- the number of migrations that a binary must know to use the schema
            run_at         TIMESTAMPTZ NOT NULL DEFAULT now()
        );
        INSERT INTO schema_migrations (version, name, min_compatible) VALUES (0, 'lock', 0) ON CONFLICT (version) DO NOTHING;";
    sqlx::raw_sql(sql).execute(pool).await.map(drop)
}

/// Runs the migrations that are pending.
pub(super) async fn run(pool: &PgPool, migrations: &'static [Migration], wait: LockWait) -> Result<()> {
    let mut attempt = 1;
    loop {
        let mut tx = pool.begin().await?;
        let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut *tx)
            .await?;
        let (outcome, holders) = watched(pool, process, wait, step(&mut tx, migrations, wait)).await;
        match outcome {
            Ok(Some(name)) => {
                tx.commit().await?;
                tracing::info!(migration = name, "schema migrated");
                attempt = 1;
            }
            Ok(None) => return Ok(()),
            Err(error) if is_locked(&error) => {
                tx.rollback().await?;
                wait.give_way(attempt, &holders).await?;
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the transaction did not get a lock in time.
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(
        code.as_deref(),
        Some(
            "55P03"   // lock_not_available
            | "40P01" // deadlock_detected
        )
    )
}

/// Runs the next migration and returns its name. `None`: there was none.
async fn step(
    tx: &mut PgConnection,
    migrations: &'static [Migration],
    wait: LockWait,
) -> sqlx::Result<Option<&'static str>> {
    let sql = format!(
        "SET LOCAL lock_timeout = '{}ms'; SELECT 1 FROM schema_migrations WHERE version = 0 FOR UPDATE",
        wait.timeout.as_millis()
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    let at: i64 = sqlx::query_scalar("SELECT max(version) FROM schema_migrations")
        .fetch_one(&mut *tx)
        .await?;
    let Some(migration) = usize::try_from(at).ok().and_then(|at| migrations.get(at)) else {
        return Ok(None);
    };
    // A migration may take longer than a request.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0")
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO schema_migrations (version, name, min_compatible) VALUES ($1, $2, $3)")
        .bind(at + 1)
        .bind(migration.name)
        .bind(migration.min_compatible)
        .execute(&mut *tx)
        .await?;
    Ok(Some(migration.name))
}
