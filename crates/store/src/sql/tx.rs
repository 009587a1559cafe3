//! A transaction of either database.

use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe, PgConnection};

use super::row::{Columns, FromColumn, Row, damaged, only};
use super::value::{Kind, Value};
use crate::{AuditEntry, Result, StoreError};

/// Runs statements. On SQLite a statement completes within the call, so work never waits on the
/// writer thread. On PostgreSQL a statement is a round trip.
pub(crate) struct Tx<'c> {
    pub(crate) on: On<'c>,
    /// What the transaction added to the audit trail. It goes to the log once it is committed.
    pub(crate) noted: Vec<AuditEntry>,
}

/// The connection of a transaction.
pub(crate) enum On<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres {
        connection: &'c mut PgConnection,
        /// Whether a statement failed because of a conflict with another transaction. If so, this
        /// transaction can be retried.
        conflict: bool,
    },
}

impl<'c> Tx<'c> {
    pub(crate) fn sqlite(connection: &'c mut rusqlite::Connection) -> Self {
        Self {
            on: On::Sqlite(connection),
            noted: Vec::new(),
        }
    }

    pub(crate) fn postgres(connection: &'c mut PgConnection) -> Self {
        Self {
            on: On::Postgres {
                connection,
                conflict: false,
            },
            noted: Vec::new(),
        }
    }
}

impl Tx<'_> {
    /// Tells the tests which statements are executed.
    #[cfg(test)]
    fn record(&self, sql: &str, args: &[Value<'_>]) {
        match &self.on {
            On::Sqlite(_) => crate::statements::SQLITE.record(sql, args),
            On::Postgres { .. } => crate::statements::POSTGRES.record(&sql.replace('?', "$"), args),
        }
    }

    /// Runs a statement. Returns the number of changed rows.
    pub(crate) async fn execute(&mut self, sql: &str, args: &[Value<'_>]) -> Result<u64> {
        #[cfg(test)]
        self.record(sql, args);
        match &mut self.on {
            On::Sqlite(connection) => {
                let changed = connection
                    .prepare_cached(sql)?
                    .execute(rusqlite::params_from_iter(args))?;
                Ok(changed as u64)
            }
            On::Postgres { connection, conflict } => {
                let done = sqlx::query_with(numbered(sql), bind(args)?)
                    .execute(&mut **connection)
                    .await;
                done.map(|done| done.rows_affected())
                    .map_err(|error| failed(error, conflict))
            }
        }
    }

    /// Runs a statement. Returns its rows.
    async fn rows(&mut self, sql: &str, args: &[Value<'_>]) -> Result<Vec<Row>> {
        #[cfg(test)]
        self.record(sql, args);
        match &mut self.on {
            On::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let columns = statement.column_count();
                let mut rows = statement.query(rusqlite::params_from_iter(args))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let values = (0..columns)
                        .map(|index| row.get(index))
                        .collect::<Result<_, _>>()?;
                    found.push(Row::Sqlite(values));
                }
                Ok(found)
            }
            On::Postgres { connection, conflict } => {
                let rows = sqlx::query_with(numbered(sql), bind(args)?)
                    .fetch_all(&mut **connection)
                    .await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
                    .map_err(|error| failed(error, conflict))
            }
        }
    }

    /// Runs a statement and reads each row.
    pub(crate) async fn list<T>(
        &mut self,
        sql: &str,
        args: &[Value<'_>],
        read: impl Fn(&mut Columns<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let rows = self.rows(sql, args).await?;
        rows.iter().map(|row| read(&mut row.columns())).collect()
    }

    /// Runs a statement and reads the first row, if there is one.
    pub(crate) async fn find<T>(
        &mut self,
        sql: &str,
        args: &[Value<'_>],
        read: impl Fn(&mut Columns<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let rows = self.rows(sql, args).await?;
        rows.first().map(|row| read(&mut row.columns())).transpose()
    }

    /// Runs a statement that always returns one row of one column, such as a count.
    pub(crate) async fn value<T: for<'r> FromColumn<'r>>(
        &mut self,
        sql: &str,
        args: &[Value<'_>],
    ) -> Result<T> {
        let found = self.find(sql, args, only).await?;
        found.ok_or_else(|| damaged("a statement returned no row"))
    }

    /// Whether a statement returns a row.
    pub(crate) async fn exists(&mut self, sql: &str, args: &[Value<'_>]) -> Result<bool> {
        Ok(!self.rows(sql, args).await?.is_empty())
    }
}

/// Turns SQLite's `?1`, in which statements are written, into PostgreSQL's `$1`. No statement
/// contains another question mark.
fn numbered(sql: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.replace('?', "$"))
}

fn bind(args: &[Value<'_>]) -> Result<PgArguments> {
    let mut bound = PgArguments::default();
    for value in args {
        let added = match *value {
            Value::Integer(number) => bound.add(number),
            Value::Text(text) => bound.add(text),
            Value::Blob(bytes) => bound.add(bytes),
            Value::Null(Kind::Integer) => bound.add(None::<i64>),
            Value::Null(Kind::Text) => bound.add(None::<&str>),
            Value::Null(Kind::Blob) => bound.add(None::<&[u8]>),
        };
        added.map_err(StoreError::damaged)?;
    }
    Ok(bound)
}

fn failed(error: sqlx::Error, conflict: &mut bool) -> StoreError {
    *conflict |= crate::postgres::is_conflict(&error);
    error.into()
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null(_) => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
