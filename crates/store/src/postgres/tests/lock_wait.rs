//! Migrations that meet the locks of other sessions.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::task::JoinHandle;

use super::super::lock_wait::LockWait;
use super::super::schema::run;
use super::{SOON, Server, engine, open, psql, until};
use crate::conformance::given;
use crate::schema::Migration;
use crate::{Result, StoreError};

/// The next migration, which locks a table that every login uses.
const NEXT: &[Migration] = &[
    Migration {
        name: "0001_initial",
        sql: "",
        min_compatible: 1,
    },
    Migration {
        name: "0002_next",
        sql: "ALTER TABLE accounts ADD COLUMN next TEXT",
        min_compatible: 1,
    },
];

/// Short, so that the test does not wait long.
const WAIT: LockWait = LockWait {
    timeout: Duration::from_millis(300),
    pause: Duration::from_millis(200),
    attempts: 4,
};

const WAITS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE 'ALTER%'";
const HAS_NEXT: &str = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'next'";

/// A session that holds a lock on the accounts, as `pg_dump` or another migration does.
async fn holder(url: &str, lock: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().unwrap();
    let mut holder = options.application_name("pg_dump").connect().await.unwrap();
    let sql = format!("BEGIN; LOCK TABLE accounts IN {lock} MODE; SELECT 'a secret'");
    holder
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))
        .await
        .unwrap();
    holder
}

fn migrate(store: &std::sync::Arc<crate::Store>, wait: LockWait) -> JoinHandle<Result<()>> {
    let pool = engine(store).pool.clone();
    tokio::spawn(async move { run(&pool, NEXT, wait).await })
}

#[tokio::test]
async fn r40_a_migration_behind_a_lock_lets_writers_go_on_and_names_who_holds_it() {
    let url = Server::shared().database();
    let store = open(&url).await.unwrap();
    let mut holder = holder(&url, "ACCESS SHARE").await;
    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut holder)
        .await
        .unwrap();
    let migrating = migrate(&store, WAIT);
    until(&url, WAITS, "1").await;
    // Each write waits for one attempt at most, and not for the holder.
    let mut written = 0;
    while !migrating.is_finished() {
        let began = Instant::now();
        given::account(&store).await;
        assert!(began.elapsed() < SOON);
        written += 1;
    }
    assert!(written >= 2, "{written}");
    let error = migrating.await.unwrap().unwrap_err();
    let StoreError::Unavailable(cause) = &error else {
        panic!("{error}");
    };
    let told = cause.to_string();
    for part in [
        &format!("process {process} "),
        "'pg_dump'",
        "query started 20",
        "4 attempts",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("a secret") && !told.contains("SELECT"), "{told}");
    assert_eq!(psql(&url, HAS_NEXT), "0");
    assert_eq!(psql(&url, "SELECT max(version) FROM schema_migrations"), "1");

    holder.close().await.unwrap();
    migrate(&store, WAIT).await.unwrap().unwrap();
    assert_eq!(psql(&url, HAS_NEXT), "1");
    assert_eq!(psql(&url, "SELECT max(version) FROM schema_migrations"), "2");
}

#[tokio::test]
async fn r40_a_migration_goes_on_when_the_lock_is_given_back() {
    for lock in ["ACCESS SHARE", "ACCESS EXCLUSIVE"] {
        let url = Server::shared().database();
        let store = open(&url).await.unwrap();
        let holder = holder(&url, lock).await;
        let migrating = migrate(
            &store,
            LockWait {
                attempts: u32::MAX,
                ..WAIT
            },
        );
        until(&url, WAITS, "1").await;
        until(&url, WAITS, "0").await;
        holder.close().await.unwrap();
        migrating.await.unwrap().unwrap();
        assert_eq!(psql(&url, HAS_NEXT), "1");
    }
}

#[tokio::test]
async fn r40_only_the_migrations_own_statements_have_no_time_limit() {
    const TIMED: &[Migration] = &[
        NEXT[0],
        Migration {
            name: "0002_timed",
            sql: "ALTER TABLE accounts ADD COLUMN next TEXT; CREATE TABLE timed AS
                  SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock",
            min_compatible: 1,
        },
    ];
    let url = Server::shared().database();
    let store = open(&url).await.unwrap();
    let pool = &engine(&store).pool;
    run(pool, TIMED, WAIT).await.unwrap();
    assert_eq!(
        psql(&url, "SELECT statement || ' ' || lock FROM timed"),
        "0 300ms"
    );
    for _ in 0..super::CONNECTIONS {
        let later: String = sqlx::query_scalar("SHOW statement_timeout")
            .fetch_one(pool)
            .await
            .unwrap();
        assert_eq!(later, "4s");
    }
}
