//! Migrations.
//!
//! 1. The table `schema_migrations` is created if it does not exist. Its row 0 is the lock.
//! 2. Each pending migration is one transaction. It locks row 0, reads again which migration is
//!    next, runs it and records it. A node that starts at the same time waits for the lock and then
//!    finds the migration done. If a node dies, PostgreSQL rolls its DDL
//!    back.
//!
//! An older binary works on a newer schema: see `README-migrations.md`.

use sqlx::error::DatabaseError;
use sqlx::{PgConnection, PgPool};

use super::is_conflict;
use crate::{Result, StoreError};

/// All migrations in order, numbered from 1.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[("0001_initial", include_str!("0001_initial.sql"))];

/// Attempts to create the table. Nodes that do so at the same time collide in the catalogue, even
/// with `IF NOT EXISTS`.
const MAX_ATTEMPTS: u32 = 10;

pub(super) fn pending(version: usize) -> Vec<&'static str> {
    MIGRATIONS.iter().skip(version).map(|(name, _)| *name).collect()
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
    while step(pool, MIGRATIONS).await? {}
    Ok(())
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
            version BIGINT PRIMARY KEY,
            name    TEXT NOT NULL,
            run_at  TIMESTAMPTZ NOT NULL DEFAULT now()
        );
        INSERT INTO schema_migrations (version, name) VALUES (0, 'lock') ON CONFLICT (version) DO NOTHING;";
    sqlx::raw_sql(sql).execute(pool).await.map(drop)
}

/// Runs the next migration. `false`: there was none.
async fn step(pool: &PgPool, migrations: &'static [(&str, &'static str)]) -> Result<bool> {
    let mut tx = pool.begin().await?;
    // Another node may be running it, and a migration may take longer than a request.
    sqlx::raw_sql("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SELECT 1 FROM schema_migrations WHERE version = 0 FOR UPDATE")
        .execute(&mut *tx)
        .await?;
    let at = newest(&mut tx).await?;
    let Some((name, sql)) = migrations.get(at) else {
        return Ok(false);
    };
    sqlx::raw_sql(*sql).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO schema_migrations (version, name) VALUES ($1, $2)")
        .bind(i64::try_from(at + 1).expect("the number of migrations is small"))
        .bind(*name)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    tracing::info!(migration = name, "schema migrated");
    Ok(true)
}
