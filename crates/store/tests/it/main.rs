//! Runs the conformance suite on each database, and the tests that need processes of their own.

mod power_cut;
mod single_use;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_store::{Store, conformance};
use tm_auth_testing::postgres::Postgres;

/// Maximum number of concurrent tests. Each can use eight of the shared server's 200 connections.
const MOST_THREADS: usize = 8;

fn main() -> ExitCode {
    // `power_cut` starts this program again as the process that it kills.
    if power_cut::is_writer() {
        power_cut::write();
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // With one thread, what a test prints would come between its name and its outcome.
    arguments.test_threads.get_or_insert(cores.clamp(2, MOST_THREADS));
    libtest_mimic::run(&arguments, all()).exit_code()
}

fn all() -> Vec<Trial> {
    let mut tests = power_cut::tests();
    tests.extend(single_use::tests());
    tests.extend(on_database("sqlite", || {
        Box::pin(std::future::ready(empty_sqlite()))
    }));
    tests.extend(on_database("postgres", || Box::pin(empty_postgres())));
    tests
}

/// A test that fails by a panic.
fn test(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

/// An empty database for one test, and its folder.
type Empty = (Store, Option<TempDir>);

fn empty_sqlite() -> Empty {
    let folder = TempDir::new().expect("a folder for the test");
    let options = SqliteOptions {
        path: folder.path().join("tm-auth.db"),
        role: Role::Server,
        // Durability does not matter here: `power_cut` tests it.
        synchronous: Synchronous::Off,
    };
    let store = sqlite::open(&options).expect("an empty database");
    (store, Some(folder))
}

async fn empty_postgres() -> Empty {
    let options = PostgresOptions {
        url: Postgres::shared().database(),
        max_connections: 8,
    };
    let store = postgres::open(&options).await.expect("an empty database");
    (store, None)
}

/// The conformance suite on one kind of database. Each case starts with an empty one.
fn on_database(database: &str, empty: fn() -> Pin<Box<dyn Future<Output = Empty>>>) -> Vec<Trial> {
    conformance::cases()
        .map(|case| {
            test(format!("{database}::{}", case.name), move || {
                let runtime = tokio::runtime::Runtime::new().expect("the system can start threads");
                runtime.block_on(async {
                    let (store, _folder) = empty().await;
                    (case.run)(Arc::new(store)).await;
                });
            })
        })
        .collect()
}
