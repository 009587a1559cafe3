//! The CPU time of the PostgreSQL server per mint and per refresh, for several numbers of callers.
//!
//! 1. A durable server of its own, with the store of one node.
//! 2. Concurrent callers; each writes its next row as soon as the last one is committed. Batches
//!    form as they do under load.
//! 3. The baseline: multi-row inserts of rows of the same shape, without checks of key and account.

use std::sync::Arc;

use sqlx::{Connection, PgConnection};
use tm_auth_core::ApiKey;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::session::NewSession;
use tm_auth_store::conformance::given;
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_store::{OpenOutcome, Store};
use tm_auth_testing::postgres::{Durability, Postgres};
use tokio::task::JoinSet;

use crate::statistics::Samples;

/// The number of concurrent callers, and the number of rows they write per run.
const LOADS: [(usize, usize); 3] = [(1, 1_000), (32, 8_000), (256, 16_000)];

type Opened = (NewSession, SessionSecret);

pub(crate) async fn compare(runs: usize) {
    let server = Postgres::start(Durability::On);
    let options = PostgresOptions {
        url: server.database(),
        max_connections: 8,
    };
    let store: Arc<Store> = Arc::new(postgres::open(&options).await.expect("the server is there"));
    let key = given::key(&store).await;
    let mut bare = PgConnection::connect(&options.url)
        .await
        .expect("the server is there");
    run(&mut bare, "CREATE TABLE bare (LIKE sessions INCLUDING ALL)").await;
    println!("n = {runs} runs; CPU µs of the database server per row; median (min–max)\n");
    println!(
        "{:<10} {:>24} {:>24} {:>24}",
        "callers", "mint", "refresh", "bare bulk insert"
    );
    for (callers, rows) in LOADS {
        let (mut mint, mut refresh, mut baseline) =
            (Samples::default(), Samples::default(), Samples::default());
        for _ in 0..runs {
            run(&mut bare, "TRUNCATE bare").await;
            let before = server.cpu();
            insert(&mut bare, callers, rows).await;
            baseline.add(per_row(&server, before, rows));

            let sessions = sessions(&key, rows);
            let before = server.cpu();
            open(&store, &sessions, callers).await;
            mint.add(per_row(&server, before, rows));

            let before = server.cpu();
            rotate(&store, sessions, callers).await;
            refresh.add(per_row(&server, before, rows));
        }
        println!("{callers:<10} {mint:>24} {refresh:>24} {baseline:>24}");
    }
}

fn sessions(key: &ApiKey, rows: usize) -> Vec<Opened> {
    (0..rows).map(|_| given::new_session(key, 0)).collect()
}

async fn open(store: &Arc<Store>, sessions: &[Opened], callers: usize) {
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let store = Arc::clone(store);
        let own: Vec<NewSession> = sessions
            .iter()
            .skip(caller)
            .step_by(callers)
            .map(|(new, _)| new.clone())
            .collect();
        tasks.spawn(async move {
            for new in own {
                let opened = store.open_session(new).await.expect("the database answers");
                assert_eq!(opened, OpenOutcome::Opened);
            }
        });
    }
    tasks.join_all().await;
}

async fn rotate(store: &Arc<Store>, sessions: Vec<Opened>, callers: usize) {
    let mut parts: Vec<Vec<Opened>> = (0..callers).map(|_| Vec::new()).collect();
    for (number, session) in sessions.into_iter().enumerate() {
        parts[number % callers].push(session);
    }
    let mut tasks = JoinSet::new();
    for own in parts {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            for (new, secret) in own {
                let rotation = given::rotation(new.sid, &secret, 0, 10);
                let rotated = store
                    .rotate_session(rotation)
                    .await
                    .expect("the database answers");
                assert!(rotated.is_ok());
            }
        });
    }
    tasks.join_all().await;
}

/// Inserts rows like those of a mint, `batch` of them per statement.
async fn insert(connection: &mut PgConnection, batch: usize, rows: usize) {
    let sql = "INSERT INTO bare
        SELECT int8send(n) || int8send(n), '\\x00112233445566778899aabbccddeeff',
            '\\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff', '\\x00112233445566778899aabbccddeeff',
            'mac-1', 0, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL
        FROM unnest($1::bigint[]) AS given (n)";
    let numbers: Vec<i64> = (0..i64::try_from(rows).expect("thousands")).collect();
    for chunk in numbers.chunks(batch) {
        sqlx::query(sql)
            .bind(chunk)
            .execute(&mut *connection)
            .await
            .expect("the database answers");
    }
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    let done = sqlx::raw_sql(sql).execute(connection).await;
    done.expect("the database answers");
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand rows are exact in f64")]
fn per_row(server: &Postgres, before: std::time::Duration, rows: usize) -> f64 {
    server.cpu().saturating_sub(before).as_secs_f64() * 1e6 / rows as f64
}
