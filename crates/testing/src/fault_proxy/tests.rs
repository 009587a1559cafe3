use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::FaultProxy;
use crate::poll;
use crate::postgres::Postgres;

const SOON: Duration = Duration::from_secs(30);

/// A database with a table, and its address through a proxy.
struct Given {
    postgres: &'static Postgres,
    proxy: FaultProxy,
    direct: String,
    url: String,
}

fn given() -> Given {
    let postgres = Postgres::shared();
    let direct = postgres.database();
    postgres.psql(&direct, "CREATE TABLE t (n int)");
    let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], postgres.port())));
    let url = proxy.url(&direct);
    Given {
        postgres,
        proxy,
        direct,
        url,
    }
}

impl Given {
    fn run(&self, sql: &str) -> Child {
        self.postgres
            .psql_command(&self.url, sql)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts")
    }

    fn succeeds(&self, sql: &str) -> bool {
        self.run(sql).wait().expect("it ends").success()
    }

    fn rows(&self) -> String {
        self.postgres.psql(&self.direct, "SELECT count(*) FROM t")
    }
}

#[test]
fn a_cut_path_carries_nothing_until_it_is_healed() {
    let given = given();
    assert!(given.succeeds("INSERT INTO t VALUES (1)"));
    let mut waiting = given.run("SELECT pg_sleep(600)");
    poll::until("it waits", SOON, || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
        (given.postgres.psql(&given.direct, waits) == "1").then_some(())
    });
    given.proxy.cut();
    assert!(!waiting.wait().expect("it ends").success());
    assert!(!given.succeeds("INSERT INTO t VALUES (2)"));
    given.proxy.heal();
    assert!(given.succeeds("INSERT INTO t VALUES (3)"));
    assert_eq!(given.rows(), "2");
}

#[test]
fn a_held_path_keeps_the_connection_and_the_bytes() {
    let given = given();
    given.proxy.hold();
    let mut held = given.run("INSERT INTO t VALUES (1)");
    poll::until("it is connected", SOON, || {
        (given.proxy.connections() == 1).then_some(())
    });
    assert!(held.try_wait().expect("our child").is_none());
    assert_eq!(given.rows(), "0");
    given.proxy.heal();
    assert!(held.wait().expect("it ends").success());
    assert_eq!(given.rows(), "1");
}

#[test]
fn a_held_path_can_be_cut() {
    let given = given();
    given.proxy.hold();
    let mut held = given.run("INSERT INTO t VALUES (1)");
    poll::until("it is connected", SOON, || {
        (given.proxy.connections() == 1).then_some(())
    });
    given.proxy.cut();
    assert!(!held.wait().expect("it ends").success());
    assert_eq!(given.rows(), "0");
}

#[test]
fn a_slow_path_is_slow() {
    let given = given();
    let delay = Duration::from_millis(100);
    given.proxy.delay(delay);
    let asked = Instant::now();
    assert!(given.succeeds("INSERT INTO t VALUES (1)"));
    // There and back at least twice: to begin, and to insert.
    assert!(asked.elapsed() >= 4 * delay);
}

#[test]
fn an_answer_is_lost_only_after_the_commit() {
    let given = given();
    given.proxy.cut_before_next_answer();
    assert!(given.succeeds("SELECT count(*) FROM t"), "nothing was written");
    assert!(!given.succeeds("INSERT INTO t VALUES (1)"));
    assert_eq!(given.proxy.answers_lost(), 1);
    assert_eq!(given.rows(), "1", "the server has it");
    assert!(given.succeeds("INSERT INTO t VALUES (2)"), "once only");
    given.proxy.cut_before_next_answer();
    let transaction = "BEGIN; INSERT INTO t SELECT generate_series(1, 100); COMMIT";
    assert!(!given.succeeds(transaction));
    assert_eq!(given.rows(), "102");
}
