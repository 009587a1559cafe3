//! The database that a test runs on, and what a thief or an administrator reads in it: with the
//! database's own means, not with the service.
//!
//! A PostgreSQL database belongs to a folder as a file does: opening the folder again opens the
//! same database.

mod postgres;
mod sqlite;

use std::path::PathBuf;

use tempfile::TempDir;
use tm_auth_server::config;
use tm_auth_store::Store;
use tm_auth_store::sqlite::Role;

use super::TestServer;

/// Which one.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each of the two programs names its own")]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A value of a row, whichever the database.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

/// Where the file of the folder is, or would be.
pub(super) fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("tm-auth.db")
}

/// As the configuration names it.
pub(super) fn of(folder: &TempDir) -> config::Database {
    match crate::DATABASE {
        Database::Sqlite => config::Database::Sqlite { path: file(folder) },
        Database::Postgres => config::Database::Postgres {
            url: postgres::url(folder).parse().unwrap(),
            max_connections: postgres::CONNECTIONS,
        },
    }
}

/// Opens the folder's database, an empty one the first time.
pub(crate) async fn open(folder: &TempDir, role: Role) -> Store {
    match crate::DATABASE {
        Database::Sqlite => sqlite::open(file(folder), role),
        Database::Postgres => postgres::open(postgres::url(folder)).await,
    }
}

/// The rows of a query.
pub(crate) fn rows(server: &TestServer, sql: &str) -> Vec<Vec<Value>> {
    match crate::DATABASE {
        Database::Sqlite => sqlite::rows(&file(server.folder()), sql),
        Database::Postgres => postgres::rows(&postgres::url(server.folder()), sql).unwrap(),
    }
}

/// Runs one statement; what the database says where it refuses.
pub(crate) fn execute(server: &TestServer, sql: &str) -> Result<(), String> {
    match crate::DATABASE {
        Database::Sqlite => sqlite::execute(&file(server.folder()), sql),
        Database::Postgres => postgres::rows(&postgres::url(server.folder()), sql).map(drop),
    }
}

/// Every value of every table that is a text or bytes.
pub(crate) fn every_value(server: &TestServer) -> Vec<Value> {
    let tables = match crate::DATABASE {
        Database::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table'",
        Database::Postgres => {
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'"
        }
    };
    let tables = rows(server, tables).into_iter().flatten();
    let values = tables.flat_map(|table| match table {
        Value::Text(name) => rows(server, &format!("SELECT * FROM \"{name}\"")),
        other => panic!("a table's name: {other:?}"),
    });
    values
        .flatten()
        .filter(|value| matches!(value, Value::Text(_) | Value::Blob(_)))
        .collect()
}
