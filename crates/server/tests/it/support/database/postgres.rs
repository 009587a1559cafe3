use std::fs;

use sqlx::postgres::PgRow;
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, PgConnection, Row as _, TypeInfo as _, ValueRef as _,
};
use tempfile::TempDir;
use tm_auth_store::Store;
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_testing::postgres::Postgres;

use super::Value;

/// Maximum connections of each node of a test.
pub(super) const CONNECTIONS: u32 = 8;

/// The URL of the folder's database. The first call creates the database.
pub(super) fn url(folder: &TempDir) -> String {
    let file = folder.path().join("postgres-url");
    fs::read_to_string(&file).unwrap_or_else(|_| {
        let url = Postgres::shared().database();
        fs::write(&file, &url).unwrap();
        url
    })
}

pub(super) async fn open(url: String) -> Store {
    let options = PostgresOptions {
        url,
        max_connections: CONNECTIONS,
    };
    postgres::open(&options).await.unwrap()
}

/// Runs a query on its own thread, since `block_on` panics in the test's runtime.
pub(super) fn rows(url: &str, sql: &str) -> Result<Vec<Vec<Value>>, String> {
    let read = async || -> sqlx::Result<_> {
        let mut connection = PgConnection::connect(url).await?;
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut connection)
            .await?;
        connection.close().await?;
        Ok(rows.iter().map(values).collect())
    };
    let read = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .unwrap()
            .block_on(read())
            .map_err(|error| error.to_string())
    };
    std::thread::scope(|scope| scope.spawn(read).join().unwrap())
}

fn values(row: &PgRow) -> Vec<Value> {
    (0..row.columns().len()).map(|index| value(row, index)).collect()
}

fn value(row: &PgRow, index: usize) -> Value {
    if row.try_get_raw(index).unwrap().is_null() {
        return Value::Null;
    }
    match row.column(index).type_info().name() {
        "INT8" => Value::Integer(row.get(index)),
        "INT4" => Value::Integer(row.get::<i32, _>(index).into()),
        "BOOL" => Value::Integer(row.get::<bool, _>(index).into()),
        "TEXT" => Value::Text(row.get(index)),
        "BYTEA" => Value::Blob(row.get(index)),
        // Only the table of migrations has this type.
        "TIMESTAMPTZ" => Value::Null,
        other => panic!("column {} has type {other}", row.column(index).name()),
    }
}
