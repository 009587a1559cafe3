use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Durability, Postgres};
use crate::poll;

const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn each_database_is_empty_and_separate() {
    let postgres = Postgres::shared();
    let (one, other) = (postgres.database(), postgres.database());
    postgres.psql(&one, "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)");
    assert_eq!(
        postgres.psql(&one, "SELECT n, n + 1 FROM t ORDER BY n"),
        "1|2\n2|3"
    );
    assert_eq!(postgres.psql(&other, "SELECT to_regclass('t') IS NULL"), "t");
}

#[test]
fn text_does_not_sort_by_bytes() {
    let postgres = Postgres::shared();
    let database = postgres.database();
    let sorted = "SELECT string_agg(w, '' ORDER BY w), string_agg(w, '' ORDER BY w COLLATE \"C\")
                  FROM (VALUES ('a'), ('B'), ('c')) AS words (w)";
    assert_eq!(postgres.psql(&database, sorted), "aBc|Bac");
}

#[test]
fn commits_survive_a_crash() {
    let postgres = Postgres::start(Durability::On);
    let database = postgres.database();
    postgres.psql(&database, "CREATE TABLE t (n int)");
    postgres.psql(&database, "INSERT INTO t VALUES (7)");
    postgres.kill();
    assert!(TcpStream::connect(("127.0.0.1", postgres.port())).is_err());
    postgres.restart();
    assert_eq!(postgres.psql(&database, "SELECT n FROM t"), "7");
    assert!(
        postgres.log().contains("not properly shut down"),
        "the server did not crash"
    );
    // Commits also survive an orderly shutdown.
    postgres.restart();
    assert_eq!(postgres.psql(&database, "SELECT n FROM t"), "7");
}

#[test]
fn a_frozen_server_answers_only_after_a_thaw() {
    let postgres = Postgres::start(Durability::Off);
    let database = postgres.database();
    postgres.freeze();
    let mut query = postgres
        .psql_command(&database, "SELECT 'late'")
        .stdout(Stdio::piped())
        .spawn()
        .expect("psql starts");
    // The kernel accepts the connection for the server; no data arrives.
    let mut connection = TcpStream::connect(("127.0.0.1", postgres.port())).expect("the kernel accepts");
    let timeout = Some(Duration::from_millis(200));
    connection
        .set_read_timeout(timeout)
        .expect("the timeout can be set");
    assert!(connection.read(&mut [0]).is_err());
    assert!(query.try_wait().expect("psql is a child process").is_none());
    postgres.thaw();
    assert!(query.wait().expect("psql exits").success());
}

#[test]
fn dropping_the_server_leaves_nothing_behind() {
    let postgres = Postgres::start(Durability::Off);
    let folder = postgres.folder().to_owned();
    postgres.freeze();
    let port = postgres.port();
    drop(postgres);
    assert!(!folder.exists());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn killing_the_test_process_leaves_nothing_behind() {
    let mut process = Command::new(std::env::current_exe().expect("the test program has a path"))
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "postgres::tests::holds_a_server",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test process starts");
    let stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
    let folder = stdout
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("holds ").map(|(_, folder)| folder.to_owned()))
        .expect("the output names the folder");
    let folder = Path::new(&folder);
    assert!(folder.join("data/postmaster.pid").exists());
    process.kill().expect("the process can be killed");
    process.wait().expect("the process exits");
    poll::until("the folder is gone", DEADLINE, || {
        (!folder.exists()).then_some(())
    });
    assert!(super::Processes::of(folder).alive().is_empty());
}

/// The process that [`killing_the_test_process_leaves_nothing_behind`] starts and kills.
#[test]
#[ignore = "waits until another test kills it"]
fn holds_a_server() {
    println!("holds {}", Postgres::shared().folder().display());
    std::io::stdin().read_to_end(&mut Vec::new()).ok();
}
