//! Whether the server keeps its word across a crash.
//!
//! The service calls a change durable once its COMMIT is answered. With one of these settings off,
//! a crash of the server or its machine takes back revocations and rotations that clients were told
//! of, or damages the database.

use sqlx::PgPool;

use crate::Result;

/// Which of the settings that durability rests on are off, as this database and role see them.
pub(super) async fn forgetful(pool: &PgPool) -> Result<Vec<String>> {
    let sql = "SELECT name FROM pg_settings
         WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name";
    Ok(sqlx::query_scalar(sql).fetch_all(pool).await?)
}

/// Says so in the log. No refusal: tests and trials run so on purpose.
pub(super) async fn warn(pool: &PgPool) -> Result<()> {
    for setting in forgetful(pool).await? {
        tracing::warn!(
            setting,
            "PostgreSQL may forget acknowledged changes in a crash: turn this setting on"
        );
    }
    Ok(())
}
