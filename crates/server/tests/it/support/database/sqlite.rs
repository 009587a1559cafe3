use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{Connection, OpenFlags};
use tm_auth_store::Store;
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};

use super::Value;

pub(super) fn open(path: PathBuf, role: Role) -> Store {
    let options = SqliteOptions {
        path,
        role,
        synchronous: Synchronous::Full,
    };
    sqlite::open(&options).unwrap()
}

pub(super) fn rows(path: &Path, sql: &str) -> Vec<Vec<Value>> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|index| row.get(index)).collect());
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

pub(super) fn execute(path: &Path, sql: &str) -> Result<(), String> {
    let database = Connection::open(path).unwrap();
    let done = database.execute(sql, []);
    done.map(drop).map_err(|error| error.to_string())
}

impl FromSql for Value {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Text(text) => Self::Text(String::from_utf8(text.to_vec()).unwrap()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
            ValueRef::Real(value) => panic!("unexpected REAL value: {value}"),
        })
    }
}
