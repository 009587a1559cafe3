//! Runs the suite that defines the trait on each database, and the tests that need processes of their own.
//!
//! Prints what `cargo test` prints elsewhere, so that the names and outcomes are found in the same way; takes a
//! part of a name as its argument.

mod power_cut;
mod single_use;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use tempfile::TempDir;
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_store::{Store, conformance};
use tm_auth_testing::postgres::Postgres;

/// A name and what to do.
type Test = (String, Box<dyn FnOnce()>);

fn main() -> ExitCode {
    if power_cut::is_writer() {
        power_cut::write();
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = filter(&arguments);
    let tests: Vec<Test> = all()
        .into_iter()
        .filter(|(name, _)| filter.is_none_or(|part| name.contains(part.as_str())))
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in &tests {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", tests.len());
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests {
        let held = std::panic::catch_unwind(AssertUnwindSafe(test)).is_ok();
        println!("test {name} ... {}", if held { "ok" } else { "FAILED" });
        *if held { &mut passed } else { &mut failed } += 1;
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured\n");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The part of a name: the one argument that is neither an option nor the value of one.
fn filter(arguments: &[String]) -> Option<&String> {
    let is_value = |index: usize| index > 0 && arguments[index - 1] == "--test-threads";
    let mut positional = arguments
        .iter()
        .enumerate()
        .filter(|(index, argument)| !argument.starts_with('-') && !is_value(*index));
    positional.next().map(|(_, argument)| argument)
}

fn all() -> Vec<Test> {
    let mut tests = on_database("sqlite", || Box::pin(std::future::ready(empty_sqlite())));
    tests.extend(on_database("postgres", || Box::pin(empty_postgres())));
    tests.extend(power_cut::tests());
    tests.extend(single_use::tests());
    tests
}

/// A database that nothing else uses, and what keeps it in being.
type Empty = (Store, Option<TempDir>);

fn empty_sqlite() -> Empty {
    let folder = TempDir::new().expect("a folder for the test");
    let options = SqliteOptions {
        path: folder.path().join("tm-auth.db"),
        role: Role::Server,
        // What is tested here is the meaning; what the disk keeps is `power_cut`'s.
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

/// The suite on one kind of database; each case on an empty one.
fn on_database(database: &str, empty: fn() -> Pin<Box<dyn Future<Output = Empty>>>) -> Vec<Test> {
    conformance::cases()
        .map(|case| {
            let test = move || {
                let runtime = tokio::runtime::Runtime::new().expect("the system can start threads");
                runtime.block_on(async {
                    let (store, _kept) = empty().await;
                    (case.run)(Arc::new(store)).await;
                });
            };
            (
                format!("{database}::{}", case.name),
                Box::new(test) as Box<dyn FnOnce()>,
            )
        })
        .collect()
}
