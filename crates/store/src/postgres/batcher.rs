//! Group commit on PostgreSQL: one statement and one commit for all waiting items.
//!
//! 1. A caller queues its item and waits.
//! 2. The batcher's task takes all waiting items, at most [`MAX_BATCH`]. A lone item never waits
//!    for others: while one batch is at the database, the next one gathers.
//! 3. The batch is one multi-row statement. Its rows cannot make each other fail.
//! 4. Each caller gets the outcome of its own item, or `None` in uncommon cases: a replay, a
//!    session that changed meanwhile, a failed statement. Such an item then runs alone through the
//!    code that both databases share.
//!
//! A commit costs milliseconds and a row microseconds, so throughput depends on this.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};

use super::connection::PooledConnection;
use super::{PATIENCE, Postgres, overloaded};
use crate::error::Chain;
use crate::{Result, StoreError};

/// Maximum number of items per statement.
const MAX_BATCH: usize = 256;
/// Maximum number of waiting items. Further callers fail at once, since the database is overloaded.
const MAX_QUEUE: usize = 4096;

/// A kind of item, and how a batch of such items is written.
pub(crate) trait Batched: Clone + Send + Sync + Sized + 'static {
    /// Outcome of an item.
    type Outcome: Send + 'static;

    /// The batcher in which such items gather.
    fn lane(postgres: &Postgres) -> &Batcher<Self>;

    /// Writes a batch. Returns the outcomes in the order of the items.
    fn run(
        connection: &mut PgConnection,
        batch: &[Self],
    ) -> impl Future<Output = Result<Vec<Option<Self::Outcome>>, sqlx::Error>> + Send;
}

pub(crate) struct Batcher<T: Batched> {
    queue: mpsc::Sender<Waiting<T>>,
}

struct Waiting<T: Batched> {
    item: T,
    reply: oneshot::Sender<Result<Option<T::Outcome>>>,
}

impl<T: Batched> Batcher<T> {
    /// Starts the batcher's task, which ends with the batcher. Needs a tokio runtime.
    pub(super) fn start(pool: PgPool) -> Self {
        let (queue, waiting) = mpsc::channel(MAX_QUEUE);
        tokio::spawn(serve(pool, waiting));
        Self { queue }
    }

    /// Returns the outcome of the item. `None`: the item has to be written alone.
    pub(super) async fn submit(&self, item: T) -> Result<Option<T::Outcome>> {
        let (reply, outcome) = oneshot::channel();
        self.queue
            .try_send(Waiting { item, reply })
            .map_err(|_| overloaded())?;
        outcome.await.map_err(|_| overloaded())?
    }
}

async fn serve<T: Batched>(pool: PgPool, mut waiting: mpsc::Receiver<Waiting<T>>) {
    let mut gathered = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut gathered, MAX_BATCH).await > 0 {
        // A caller that gave up at its deadline has already reported the outcome as unknown.
        gathered.retain(|waiting| !waiting.reply.is_closed());
        let (items, replies): (Vec<T>, Vec<_>) = gathered
            .drain(..)
            .map(|waiting| (waiting.item, waiting.reply))
            .unzip();
        match within(PATIENCE, run(&pool, &items)).await {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    let _ = reply.send(Ok(outcome));
                }
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), jobs = items.len(), "a batch failed");
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }
}

async fn run<T: Batched>(pool: &PgPool, items: &[T]) -> Result<Vec<Option<T::Outcome>>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let mut pooled = PooledConnection::from(pool.acquire().await?);
    match T::run(pooled.connection(), items).await {
        Ok(outcomes) => {
            pooled.give_back();
            Ok(outcomes)
        }
        // The server refused the statement and changed nothing. Written alone, each item gets its
        // own answer.
        Err(sqlx::Error::Database(error)) => {
            tracing::warn!(%error, jobs = items.len(), "a batch is done one by one");
            Ok(items.iter().map(|_| None).collect())
        }
        // Whether the change was committed is unknown.
        Err(error) => Err(error.into()),
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| StoreError::unavailable("the database did not answer in time");
    tokio::time::timeout(patience, work).await.map_err(late)?
}

/// A column of a batch.
pub(super) fn column<'b, T, V>(rows: &'b [T], value: impl Fn(&'b T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
