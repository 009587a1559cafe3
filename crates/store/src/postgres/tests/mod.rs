//! Tests of what only PostgreSQL has: migrations, retries, batchers and a server that fails.
//! [`crate::conformance`] tests what both databases do.

mod audit;
mod batchers;
mod durability;
mod failing;
mod lock_wait;
mod migrating;
mod plans;
mod retrying;
mod several_stores;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_testing::postgres::{Postgres as Server, psql};

use super::{Postgres, PostgresOptions};
use crate::sql::Engine;
use crate::{Result, Store};

/// Connections of each store.
const CONNECTIONS: u32 = 6;

/// Timeout for events on a busy machine.
const SOON: Duration = Duration::from_secs(30);

async fn open(url: &str) -> Result<Arc<Store>> {
    let options = PostgresOptions {
        url: url.to_owned(),
        max_connections: CONNECTIONS,
    };
    super::open(&options).await.map(Arc::new)
}

fn engine(store: &Store) -> &Postgres {
    match &store.engine {
        Engine::Postgres(postgres) => postgres,
        Engine::Sqlite(_) => unreachable!("the test opened PostgreSQL"),
    }
}

/// Queries the server until it gives the expected answer. Panics after [`SOON`].
async fn until(url: &str, sql: &str, expected: &str) {
    let asked_first = Instant::now();
    loop {
        let told = psql(url, sql);
        if told == expected {
            return;
        }
        assert!(asked_first.elapsed() < SOON, "{sql}: {told}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
