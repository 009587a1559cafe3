use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::FaultProxy;
use crate::poll;
use crate::postgres::Postgres;

const DEADLINE: Duration = Duration::from_secs(30);

/// A database with a table `t`, and its URL through a proxy.
struct Fixture {
    postgres: &'static Postgres,
    proxy: FaultProxy,
    direct: String,
    url: String,
}

fn fixture() -> Fixture {
    let postgres = Postgres::shared();
    let direct = postgres.database();
    postgres.psql(&direct, "CREATE TABLE t (n int)");
    let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], postgres.port())));
    let url = proxy.url(&direct);
    Fixture {
        postgres,
        proxy,
        direct,
        url,
    }
}

impl Fixture {
    fn run(&self, sql: &str) -> Child {
        self.postgres
            .psql_command(&self.url, sql)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts")
    }

    fn succeeds(&self, sql: &str) -> bool {
        self.run(sql).wait().expect("psql exits").success()
    }

    fn rows(&self) -> String {
        self.postgres.psql(&self.direct, "SELECT count(*) FROM t")
    }
}

#[test]
fn a_cut_path_carries_nothing_until_it_is_healed() {
    let fixture = fixture();
    assert!(fixture.succeeds("INSERT INTO t VALUES (1)"));
    let mut waiting = fixture.run("SELECT pg_sleep(600)");
    poll::until("the query is running", DEADLINE, || {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
        (fixture.postgres.psql(&fixture.direct, running) == "1").then_some(())
    });
    fixture.proxy.cut();
    assert!(!waiting.wait().expect("psql exits").success());
    assert!(!fixture.succeeds("INSERT INTO t VALUES (2)"));
    fixture.proxy.heal();
    assert!(fixture.succeeds("INSERT INTO t VALUES (3)"));
    assert_eq!(fixture.rows(), "2");
}

#[test]
fn a_held_path_keeps_connections_open_and_forwards_nothing() {
    let fixture = fixture();
    fixture.proxy.hold();
    let mut held = fixture.run("INSERT INTO t VALUES (1)");
    poll::until("psql is connected", DEADLINE, || {
        (fixture.proxy.connections() == 1).then_some(())
    });
    assert!(held.try_wait().expect("psql is a child process").is_none());
    assert_eq!(fixture.rows(), "0");
    fixture.proxy.heal();
    assert!(held.wait().expect("psql exits").success());
    assert_eq!(fixture.rows(), "1");
}

#[test]
fn a_held_path_can_be_cut() {
    let fixture = fixture();
    fixture.proxy.hold();
    let mut held = fixture.run("INSERT INTO t VALUES (1)");
    poll::until("psql is connected", DEADLINE, || {
        (fixture.proxy.connections() == 1).then_some(())
    });
    fixture.proxy.cut();
    assert!(!held.wait().expect("psql exits").success());
    assert_eq!(fixture.rows(), "0");
}

#[test]
fn a_delay_applies_in_both_directions() {
    let fixture = fixture();
    let delay = Duration::from_millis(100);
    fixture.proxy.delay(delay);
    let started = Instant::now();
    assert!(fixture.succeeds("INSERT INTO t VALUES (1)"));
    // There are at least two round trips: one to connect, one to insert.
    assert!(started.elapsed() >= 4 * delay);
}

#[test]
fn an_answer_is_lost_only_after_the_commit() {
    let fixture = fixture();
    fixture.proxy.cut_before_next_answer();
    assert!(fixture.succeeds("SELECT count(*) FROM t"), "nothing was written");
    assert!(!fixture.succeeds("INSERT INTO t VALUES (1)"));
    assert_eq!(fixture.proxy.answers_lost(), 1);
    assert_eq!(fixture.rows(), "1", "the server committed it");
    assert!(
        fixture.succeeds("INSERT INTO t VALUES (2)"),
        "only one answer is lost"
    );
    fixture.proxy.cut_before_next_answer();
    let transaction = "BEGIN; INSERT INTO t SELECT generate_series(1, 100); COMMIT";
    assert!(!fixture.succeeds(transaction));
    assert_eq!(fixture.rows(), "102");
}
