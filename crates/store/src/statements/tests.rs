//! The plan of every statement that the store executes, on both databases.
//!
//! 1. The whole conformance suite runs, and what it does not contain: a ping, and an export with its
//!    import. [`super::Recorder`] collects the statements.
//! 2. Each literal in the sources that is a statement must be among them, so that no statement is
//!    left out.
//! 3. The database plans each of them. None may read a table that grows as a whole, except those of
//!    [`WHOLE`].

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;
use tm_auth_proto::Environment;
use tm_auth_testing::postgres::Postgres as Server;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;

use super::{POSTGRES, SQLITE, plans, sources};
use crate::conformance::{self, given};
use crate::postgres::PostgresOptions;
use crate::sql::value::Kind;
use crate::sqlite::{Role, SqliteOptions, Synchronous};
use crate::{Store, postgres, sqlite};

/// Statements that read a whole table that grows, and why they may. Operators start them.
const WHOLE: &[(&str, &str)] = &[
    (
        "FROM accounts ORDER BY created_at, uid",
        "`tm-auth accounts` lists all",
    ),
    (
        "UPDATE sessions SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL",
        "ends all sessions after a restore; an index would slow each mint down",
    ),
];

/// Statements of an import into PostgreSQL alone.
const POSTGRES_ONLY: &[&str] = &["SELECT coalesce(max(id), 0) + 1 FROM "];

/// Cases that run at the same time.
const AT_ONCE: usize = 6;

fn new_sqlite(folder: &TempDir, name: &str) -> Store {
    sqlite::open(&SqliteOptions {
        path: folder.path().join(name),
        role: Role::Server,
        synchronous: Synchronous::Off,
    })
    .unwrap()
}

async fn new_postgres() -> Store {
    let options = PostgresOptions {
        url: Server::shared().database(),
        max_connections: 6,
    };
    postgres::open(&options).await.unwrap()
}

async fn run_all(is_postgres: bool) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for case in conformance::cases() {
        let turns = Arc::clone(&turns);
        running.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            let folder = TempDir::new().unwrap();
            let store = if is_postgres {
                new_postgres().await
            } else {
                new_sqlite(&folder, "db")
            };
            let store = Arc::new(store);
            (case.run)(Arc::clone(&store)).await;
            // A service binds its database first; a case may have bound it to the other environment.
            let _ = store.bind_environment(Environment::Uat).await;
            // The check reads every row that a case leaves.
            store.check_rows().await.unwrap();
        });
    }
    running.join_all().await;
    let folder = TempDir::new().unwrap();
    let [source, target] = if is_postgres {
        [new_postgres().await, new_postgres().await]
    } else {
        [new_sqlite(&folder, "source"), new_sqlite(&folder, "target")]
    };
    source.ping().await.unwrap();
    source.bind_environment(Environment::Uat).await.unwrap();
    given::key(&source).await;
    source.check_rows().await.unwrap();
    let file = folder.path().join("export");
    source.export(&file, given::at(1)).await.unwrap();
    target
        .import(&file, Environment::Uat, &given::audit_context(2))
        .await
        .unwrap();
}

/// The statements of the suite on one database. The tests share one run.
async fn executed(is_postgres: bool) -> Vec<(String, Vec<Kind>)> {
    static RUNS: [OnceCell<()>; 2] = [const { OnceCell::const_new() }; 2];
    let run = &RUNS[usize::from(is_postgres)];
    run.get_or_init(|| run_all(is_postgres)).await;
    let recorder = if is_postgres { &POSTGRES } else { &SQLITE };
    recorder.recorded()
}

fn is_planned(sql: &str) -> bool {
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"]
        .iter()
        .any(|verb| sql.starts_with(verb))
}

/// Fails if a statement with a problem is not allowed, or an allowed one has none.
fn judge(problems: &[(String, Vec<String>)]) {
    let mut unused: Vec<&str> = WHOLE.iter().map(|(text, _)| *text).collect();
    let mut wrong = Vec::new();
    for (sql, problems) in problems.iter().filter(|(_, problems)| !problems.is_empty()) {
        let sql = sources::single_spaced(&sql.replace('$', "?"));
        match unused.iter().position(|text| sql.contains(text)) {
            Some(at) => drop(unused.swap_remove(at)),
            None => wrong.push(format!("{sql}\n    {problems:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "these read a whole table:\n{}",
        wrong.join("\n")
    );
    assert!(
        unused.is_empty(),
        "these no longer read a whole table: {unused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q03_no_statement_on_sqlite_scans_a_table_that_grows() {
    let statements = executed(false).await;
    let folder = TempDir::new().unwrap();
    drop(new_sqlite(&folder, "db"));
    let connection = crate::sqlite::connect(&folder.path().join("db"), Synchronous::Off).unwrap();
    let planned = statements.into_iter().filter(|(sql, _)| is_planned(sql));
    let problems: Vec<_> = planned
        .map(|(sql, _)| {
            let problems = plans::sqlite(&connection, &sql);
            (sql, problems)
        })
        .collect();
    assert!(problems.len() > 150, "{}", problems.len());
    judge(&problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn q03_no_statement_on_postgres_scans_a_table_that_grows() {
    let statements = executed(true).await;
    let url = Server::shared().database();
    let options = PostgresOptions {
        url: url.clone(),
        max_connections: 6,
    };
    postgres::open(&options).await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    plans::fill_postgres(&mut connection).await;
    sqlx::raw_sql("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut problems = Vec::new();
    for (sql, kinds) in statements.into_iter().filter(|(sql, _)| is_planned(sql)) {
        // Another test reads the catalogue, whose tables do not grow.
        if !sql.contains("information_schema") {
            let found = plans::postgres(&mut connection, &sql, &kinds).await;
            problems.push((sql, found));
        }
    }
    assert!(problems.len() > 150, "{}", problems.len());
    judge(&problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn q03_every_statement_of_the_sources_is_planned_on_both_databases() {
    let mut missing = Vec::new();
    for (is_postgres, database) in [(false, "SQLite"), (true, "PostgreSQL")] {
        let statements: Vec<String> = executed(is_postgres)
            .await
            .iter()
            .map(|(sql, _)| sources::single_spaced(sql.trim()).replace('?', "$"))
            .collect();
        for literal in sources::statements() {
            let own =
                literal.file.starts_with("postgres/") || POSTGRES_ONLY.contains(&literal.pieces[0].as_str());
            if own && !is_postgres {
                continue;
            }
            let pieces = literal
                .pieces
                .iter()
                .map(|piece| piece.replace('?', "$"))
                .collect();
            let numbered = sources::Literal { pieces, ..literal };
            if !statements.iter().any(|sql| numbered.matches(sql)) {
                missing.push(format!("{database}: {}: {:?}", numbered.file, numbered.pieces));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no test executes these:\n{}",
        missing.join("\n")
    );
}
