//! [`Store`], and how its methods reach the database.

use std::any::type_name_of_val;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

use super::{Outbox, Tx, args, housekeeping};
use crate::error::Chain;
#[cfg(feature = "faults")]
use crate::faults::Faults;
use crate::postgres::{Batched, Postgres};
use crate::sqlite::Sqlite;
use crate::{Result, StoreError};

/// The database, as the service uses it.
///
/// Each method is one transaction, and its comment is its guarantee. `Ok` means that the change is
/// durable. After `Err` the change may or may not have been made; the caller relies on neither and
/// answers 503.
pub struct Store {
    pub(crate) engine: Engine,
    /// Id of the session at which the last sweep stopped.
    sweep_position: Mutex<Option<Vec<u8>>>,
    /// The newest change that [`Store::changes`] returned.
    told: Mutex<Option<housekeeping::Told>>,
    /// Milliseconds; 0 if there is none.
    deadline: AtomicU64,
    keeps_mail: AtomicBool,
    /// Whether a call found the file of the database damaged.
    is_corrupt: AtomicBool,
    /// Held by a call that counts the codes that wait.
    code_turn: tokio::sync::Mutex<()>,
    #[cfg(feature = "faults")]
    faults: Faults,
}

/// A call of a method of [`Store`]. Boxed, so that the work of the method is compiled in this crate
/// and not in each program that calls it, and does not grow the futures of the callers.
pub type Call<'s, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 's>>;

pub(crate) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Store {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            sweep_position: Mutex::new(None),
            told: Mutex::new(None),
            deadline: AtomicU64::new(0),
            keeps_mail: AtomicBool::new(false),
            is_corrupt: AtomicBool::new(false),
            code_turn: tokio::sync::Mutex::default(),
            #[cfg(feature = "faults")]
            faults: Faults::default(),
        }
    }

    /// Faults to inject, and the count of calls.
    #[cfg(feature = "faults")]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How far a test moved this machine's clock.
    #[cfg_attr(
        not(feature = "faults"),
        expect(clippy::unused_self, reason = "only tests move it")
    )]
    pub(super) fn clock_step(&self) -> SignedDuration {
        #[cfg(feature = "faults")]
        return self.faults.clock_step();
        #[cfg(not(feature = "faults"))]
        SignedDuration::ZERO
    }

    /// Bounds every call from now on. A call without an answer in this time fails as
    /// [`StoreError::Unavailable`], and its change may still be made. Without a deadline, a caller
    /// could wait for ever for a connection whose other end is gone.
    pub fn set_deadline(&self, deadline: Duration) {
        let milliseconds = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.deadline.store(milliseconds, Ordering::Relaxed);
    }

    /// Says whether changes write the mail that they cause, because the service sends it. Without
    /// this call, as in commands of an operator, they write none.
    pub fn keep_mail(&self, is_kept: bool) {
        self.keeps_mail.store(is_kept, Ordering::Relaxed);
    }

    pub(super) fn outbox(&self) -> Outbox {
        Outbox {
            is_kept: self.keeps_mail.load(Ordering::Relaxed),
        }
    }

    /// Waits until no other call counts the codes that wait.
    pub(super) async fn code_turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>> {
        self.in_time(async { Ok(self.code_turn.lock().await) }).await
    }

    /// Runs several calls within one deadline.
    pub async fn in_time<T>(&self, calls: impl Future<Output = Result<T>>) -> Result<T> {
        match self.deadline.load(Ordering::Relaxed) {
            0 => calls.await,
            milliseconds => tokio::time::timeout(Duration::from_millis(milliseconds), calls)
                .await
                .unwrap_or_else(|_| Err(StoreError::unavailable("no answer in time"))),
        }
    }

    /// Runs `work` in one transaction as if it were alone, and returns once the changes are
    /// durable. May run `work` several times.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.call(type_name_of_val(&work), self.engine.write(work)).await
    }

    /// Runs `work` in one transaction in which each statement sees what other transactions
    /// committed meanwhile. This is for statements that are correct by themselves and touch too
    /// many rows for a SERIALIZABLE transaction under load.
    pub(super) async fn write_read_committed<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.call(type_name_of_val(&work), self.engine.write_read_committed(work))
            .await
    }

    /// Runs `work`, which only reads. Each statement sees what was committed before the statement.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.call(type_name_of_val(&work), self.engine.read(work)).await
    }

    /// Runs `work`, which only reads, on one snapshot.
    pub(crate) async fn snapshot<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        self.call(type_name_of_val(&work), self.engine.snapshot(work))
            .await
    }

    /// Awaits the answer of the engine within the deadline. `work` names the method for
    /// [`crate::faults`].
    async fn call<T>(&self, work: &'static str, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.in_time(async {
            #[cfg(not(feature = "faults"))]
            let _ = work;
            #[cfg(feature = "faults")]
            let call = self.faults.call(work).await?;
            let answer = answer.await;
            #[cfg(feature = "faults")]
            let answer = call.answer(answer).await;
            answer
        })
        .await
        .inspect_err(|error| self.notice_damage(error))
    }

    /// Logs damage of the file once, and remembers it: only a restore repairs it.
    fn notice_damage(&self, error: &StoreError) {
        if matches!(error, StoreError::Corrupt(_)) && !self.is_corrupt.swap(true, Ordering::SeqCst) {
            tracing::error!(
                error = %Chain(error),
                "the database file is damaged: stop the service and restore a backup"
            );
        }
    }

    /// Fails from the first call on that found the file of the database damaged.
    pub(super) fn require_sound_file(&self) -> Result<()> {
        if self.is_corrupt.load(Ordering::SeqCst) {
            return Err(StoreError::corrupt("an earlier call found damaged pages"));
        }
        Ok(())
    }

    /// Writes one item. PostgreSQL first tries to write it in one statement together with the items
    /// of other callers, and runs `work` only if that statement cannot decide the case. SQLite
    /// always runs `work`.
    pub(super) async fn write_batched<I: Batched>(
        &self,
        item: I,
        work: impl AsyncFn(&mut Tx<'_>, &I) -> Result<I::Outcome> + Send + Sync + 'static,
    ) -> Result<I::Outcome> {
        self.call(type_name_of_val(&work), self.engine.write_batched(item, work))
            .await
    }

    pub(super) fn sweep_position(&self) -> Option<Vec<u8>> {
        self.sweep_position
            .lock()
            .expect("no code panics while holding it")
            .clone()
    }

    pub(super) fn set_sweep_position(&self, position: Option<Vec<u8>>) {
        *self
            .sweep_position
            .lock()
            .expect("no code panics while holding it") = position;
    }

    pub(super) fn told(&self) -> Option<housekeeping::Told> {
        self.told.lock().expect("no code panics while holding it").clone()
    }

    pub(super) fn set_told(&self, told: Option<housekeeping::Told>) {
        *self.told.lock().expect("no code panics while holding it") = told;
    }
}

// Each way has a method of its own, so that a piece of work is compiled for the two ways that it
// takes and not for all. A transaction of PostgreSQL is a large future: boxed apart, it does not
// grow the calls on SQLite.
impl Engine {
    async fn write<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(work).await,
            Self::Postgres(postgres) => Box::pin(postgres.write(&work)).await,
        }
    }

    async fn write_read_committed<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(work).await,
            Self::Postgres(postgres) => Box::pin(postgres.write_read_committed(&work)).await,
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read(work).await,
            Self::Postgres(postgres) => Box::pin(postgres.read(&work)).await,
        }
    }

    async fn snapshot<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => {
                let work = async move |tx: &mut Tx<'_>| {
                    tx.execute("BEGIN", args![]).await?;
                    let outcome = work(tx).await;
                    tx.execute("COMMIT", args![]).await?;
                    outcome
                };
                sqlite.read(work).await
            }
            Self::Postgres(postgres) => Box::pin(postgres.snapshot(&work)).await,
        }
    }

    async fn write_batched<I: Batched>(
        &self,
        item: I,
        work: impl AsyncFn(&mut Tx<'_>, &I) -> Result<I::Outcome> + Send + Sync + 'static,
    ) -> Result<I::Outcome> {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite
                    .write(async move |tx: &mut Tx<'_>| work(tx, &item).await)
                    .await
            }
            Self::Postgres(postgres) => match postgres.batch(item.clone()).await? {
                Some(outcome) => Ok(outcome),
                None => {
                    let work = async move |tx: &mut Tx<'_>| work(tx, &item).await;
                    Box::pin(postgres.write(&work)).await
                }
            },
        }
    }
}
