//! The database of a test, and raw access to it as a thief or an administrator has it.
//!
//! Each folder has its own PostgreSQL database: opening the folder again opens the same database.

mod postgres;
mod sqlite;

use std::path::PathBuf;

use tempfile::TempDir;
use tm_auth_server::config;
use tm_auth_store::Store;
use tm_auth_store::sqlite::Role;

use super::TestServer;

/// The database system of a test binary.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each of the two test binaries constructs only its own")]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A value of a row of either database system.
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

/// The path of the folder's SQLite file, which may not exist.
pub(super) fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("tm-auth.db")
}

/// The `database` section of the configuration.
pub(super) fn of(folder: &TempDir) -> config::Database {
    match crate::DATABASE {
        Database::Sqlite => config::Database::Sqlite { path: file(folder) },
        Database::Postgres => config::Database::Postgres {
            url: postgres::url(folder).parse().unwrap(),
            max_connections: postgres::CONNECTIONS,
        },
    }
}

/// Opens the folder's database; the first call creates it.
pub(crate) async fn open(folder: &TempDir, role: Role) -> Store {
    match crate::DATABASE {
        Database::Sqlite => sqlite::open(file(folder), role),
        Database::Postgres => postgres::open(postgres::url(folder)).await,
    }
}

/// Runs a query and returns its rows.
pub(crate) fn rows(server: &TestServer, sql: &str) -> Vec<Vec<Value>> {
    match crate::DATABASE {
        Database::Sqlite => sqlite::rows(&file(server.folder()), sql),
        Database::Postgres => postgres::rows(&postgres::url(server.folder()), sql).unwrap(),
    }
}

/// Runs one statement. The error is the database's message.
pub(crate) fn execute(server: &TestServer, sql: &str) -> Result<(), String> {
    match crate::DATABASE {
        Database::Sqlite => sqlite::execute(&file(server.folder()), sql),
        Database::Postgres => postgres::rows(&postgres::url(server.folder()), sql).map(drop),
    }
}

/// Adds codes that wait to be mailed and are not due.
pub(crate) fn fill_with_codes(server: &TestServer, count: usize) {
    let id = match crate::DATABASE {
        Database::Sqlite => "randomblob(16)",
        Database::Postgres => "decode(md5(i::text), 'hex')",
    };
    let now = server.now().as_millisecond();
    let expires_at = now + 600_000;
    let sql = format!(
        "INSERT INTO outbox (id, kind, recipient, payload, created_at, due_at, expires_at, attempts, more, held)
         WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count})
         SELECT {id}, 'code', 'a@example.com', {id}, {now}, {expires_at}, {expires_at}, 0, 0, 0 FROM numbers"
    );
    execute(server, &sql).unwrap();
}

/// Every text or binary value of every table.
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
        other => panic!("a table's name is not text: {other:?}"),
    });
    values
        .flatten()
        .filter(|value| matches!(value, Value::Text(_) | Value::Blob(_)))
        .collect()
}
