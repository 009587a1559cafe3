//! The database file as a thief or an administrator reads it: with SQLite, not with the service.

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use super::TestServer;

/// The rows of a query.
pub(crate) fn rows(server: &TestServer, sql: &str) -> Vec<Vec<Value>> {
    read(&connect(server), sql)
}

/// Every value of every table that is a text or bytes.
pub(crate) fn every_value(server: &TestServer) -> Vec<Value> {
    let database = connect(server);
    let tables = read(&database, "SELECT name FROM sqlite_schema WHERE type = 'table'");
    let values = tables.into_iter().flatten().flat_map(|table| match table {
        Value::Text(name) => read(&database, &format!("SELECT * FROM \"{name}\"")),
        _ => Vec::new(),
    });
    values
        .flatten()
        .filter(|value| matches!(value, Value::Text(_) | Value::Blob(_)))
        .collect()
}

fn connect(server: &TestServer) -> Connection {
    let path = server.config.database.file().unwrap();
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn read(database: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|index| row.get(index)).collect());
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}
