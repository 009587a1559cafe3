//! Group commit on SQLite: one thread and one connection, with one transaction for all waiting
//! jobs.
//!
//! 1. A caller queues a job and waits.
//! 2. The thread takes all waiting jobs, at most [`MAX_BATCH`]. A lone job never waits for others:
//!    while one transaction commits, the next batch gathers.
//! 3. Each job runs in a savepoint, so that a job that fails does not undo the others.
//! 4. After one commit, with one fsync, each caller gets the outcome of its own job, if the files are
//!    still those that were opened ([`super::identity`]).
//!
//! A commit costs milliseconds on a busy disk and a row microseconds, so throughput depends on
//! this. If SQLite rolls the whole transaction back (disk full, I/O error), every caller of the
//! batch gets an error.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::identity::Identity;
use super::{poll_ready, run};
use crate::error::Chain;
use crate::sql::Tx;
use crate::sql::audit::AuditLines;
use crate::{Result, StoreError};

/// Maximum number of jobs per transaction.
const MAX_BATCH: usize = 256;
/// Maximum number of waiting jobs. Further callers fail at once, since the database is overloaded.
const MAX_QUEUE: usize = 4096;

pub(super) struct Writer {
    /// Present until it is dropped.
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// Waits until the file is closed. SQLite removes `-wal` by its name when it closes the file, so
/// that must not happen after the file was replaced.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed.
            let _ = thread.join();
        }
    }
}

impl Writer {
    pub(super) fn start(connection: Connection, identity: Identity) -> Self {
        let (queue, jobs) = sync_channel(MAX_QUEUE);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(connection, &identity, &jobs))
            .expect("the system can start a thread");
        Self {
            queue: Some(queue),
            thread: Some(thread),
        }
    }

    /// Runs `work` in a transaction, and returns once it is durable.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, outcome) = oneshot::channel();
        let job = Box::new(Task {
            work: Some(work),
            outcome: None,
            reply,
        });
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::unavailable("too many writes are waiting"),
            TrySendError::Disconnected(_) => gone(),
        })?;
        outcome.await.map_err(|_| gone())?
    }
}

fn gone() -> StoreError {
    StoreError::unavailable("the writer has stopped")
}

/// Queued work with its type of outcome erased.
trait Job: Send {
    fn run(&mut self, connection: &mut Connection);
    fn deliver(self: Box<Self>, committed: &Result<()>);
}

struct Task<T, F> {
    work: Option<F>,
    outcome: Option<Result<(T, AuditLines)>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send> Job for Task<T, F> {
    fn run(&mut self, connection: &mut Connection) {
        if let Some(work) = self.work.take() {
            self.outcome = Some(in_savepoint(connection, work));
        }
    }

    fn deliver(self: Box<Self>, committed: &Result<()>) {
        let outcome = match (self.outcome, committed) {
            // A job that failed changed nothing. Its own error is the more specific one.
            (Some(Err(error)), _) => Err(error),
            (outcome, Err(error)) => {
                if let Some(Ok((_, lines))) = outcome {
                    lines.discard();
                }
                Err(error.clone())
            }
            (Some(Ok((value, lines))), Ok(())) => {
                drop(lines);
                Ok(value)
            }
            (None, Ok(())) => Err(gone()),
        };
        // The caller may have given up at its deadline.
        let _ = self.reply.send(outcome);
    }
}

fn in_savepoint<T>(
    connection: &mut Connection,
    work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<(T, AuditLines)> {
    run(connection, "SAVEPOINT job")?;
    let mut tx = Tx::sqlite(connection);
    let outcome = poll_ready(work(&mut tx));
    let noted = tx.noted;
    match outcome {
        Ok(value) => {
            run(connection, "RELEASE job")?;
            Ok((value, AuditLines::new(noted)))
        }
        Err(error) => {
            // After an I/O error SQLite has rolled everything back, and the savepoint no
            // longer exists.
            if !connection.is_autocommit() {
                run(connection, "ROLLBACK TO job")?;
                run(connection, "RELEASE job")?;
            }
            Err(error)
        }
    }
}

fn serve(mut connection: Connection, identity: &Identity, jobs: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut batch: Vec<Box<dyn Job>> = Vec::with_capacity(MAX_BATCH);
        batch.push(first);
        batch.extend(jobs.try_iter().take(MAX_BATCH - 1));
        // What was committed to a file that is gone must not be acknowledged.
        let committed = transaction(&mut connection, &mut batch).and_then(|()| identity.check());
        if let Err(error) = &committed {
            tracing::error!(error = %Chain(error), jobs = batch.len(), "a transaction failed");
        }
        for job in batch {
            job.deliver(&committed);
        }
    }
    super::close(connection, identity);
}

fn transaction(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<()> {
    run(connection, "BEGIN IMMEDIATE")?;
    for job in batch.iter_mut() {
        job.run(connection);
        if connection.is_autocommit() {
            return Err(StoreError::unavailable(
                "the transaction was rolled back by SQLite",
            ));
        }
    }
    run(connection, "COMMIT").inspect_err(|_| {
        if !connection.is_autocommit() {
            let _ = run(connection, "ROLLBACK");
        }
    })
}
