//! Checks whether the server's settings keep acknowledged changes in a crash.
//!
//! The service calls a change durable once its COMMIT is answered. If one of these settings is off,
//! a crash of the server or its machine undoes acknowledged revocations and rotations, or damages
//! the database.

use sqlx::PgPool;

use crate::Result;

/// Returns the settings for durability that are off for this database and role.
pub(super) async fn forgetful(pool: &PgPool) -> Result<Vec<String>> {
    let sql = "SELECT name FROM pg_settings
         WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name";
    Ok(sqlx::query_scalar(sql).fetch_all(pool).await?)
}

/// Whether the server refuses writes: a standby, or `default_transaction_read_only`.
pub(super) async fn is_read_only(pool: &PgPool) -> Result<bool> {
    let sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// The server's time in milliseconds.
pub(super) async fn time(pool: &PgPool) -> Result<i64> {
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Logs a warning per setting. Not an error, since tests turn the settings off deliberately.
pub(super) async fn warn(pool: &PgPool) -> Result<()> {
    for setting in forgetful(pool).await? {
        tracing::warn!(
            setting,
            "PostgreSQL may forget acknowledged changes in a crash: turn this setting on"
        );
    }
    Ok(())
}
