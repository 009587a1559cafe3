//! The store in SQL, written once for both databases.
//!
//! 1. A method of [`crate::Store`] hands a piece of work to [`SqlStore::write`] or [`SqlStore::read`].
//! 2. On SQLite the writer's thread runs it in its group commit; on PostgreSQL it is a SERIALIZABLE transaction,
//!    begun anew where another one was in the way. Either way the work sees the database as if it were alone.
//! 3. The work is a function of one noun over [`Tx`]: the same statements, whichever database it is.
//!
//! What is hot (opening and rotating a session) has on PostgreSQL a faster way, [`crate::postgres`], which leaves
//! to this code whatever is not plain.

mod account;
pub(crate) mod api_key;
mod apple_identity;
pub(crate) mod audit;
mod ceremony;
mod contact;
mod housekeeping;
mod identity;
mod key_refusal;
mod passkey;
mod person_session;
mod recovery;
mod reminder;
mod revocation;
mod row;
mod service_key;
pub(crate) mod session;
pub(crate) mod setting;
mod sign_in_code;
mod store;
mod tx;
pub(crate) mod value;

use std::sync::Mutex;

pub(crate) use row::Row;
pub(crate) use tx::Tx;
pub(crate) use value::args;

use crate::Result;
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;

/// An opened database, SQLite or PostgreSQL.
pub struct SqlStore {
    pub(crate) engine: Engine,
    /// Where the walk of the sweeper over the sessions stands.
    sweep_position: Mutex<Option<Vec<u8>>>,
    /// The newest change that was told.
    told: Mutex<Option<housekeeping::Told>>,
}

pub(crate) enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl SqlStore {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            sweep_position: Mutex::new(None),
            told: Mutex::new(None),
        }
    }

    /// Runs `work` in one transaction, as if it were alone, and returns once it is durable. May run it several times.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Postgres(postgres) => postgres.write(&work).await,
        }
    }

    /// Runs `work` in one transaction in which each statement may see what others committed meanwhile: for
    /// statements that are right by themselves and touch more rows than a SERIALIZABLE transaction could get through
    /// with under load.
    async fn write_loosely<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Postgres(postgres) => postgres.write_loosely(&work).await,
        }
    }

    /// Runs `work`, which only reads. Each statement sees what was committed when it began.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work).await,
            Engine::Postgres(postgres) => postgres.read(&work).await,
        }
    }

    /// Runs `work`, which only reads, on one snapshot.
    pub(crate) async fn snapshot<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&mut Tx<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        match &self.engine {
            Engine::Sqlite(sqlite) => {
                let work = async move |tx: &mut Tx<'_>| {
                    tx.execute("BEGIN", args![]).await?;
                    let outcome = work(tx).await;
                    tx.execute("COMMIT", args![]).await?;
                    outcome
                };
                sqlite.read(work).await
            }
            Engine::Postgres(postgres) => postgres.snapshot(&work).await,
        }
    }

    fn sweep_position(&self) -> Option<Vec<u8>> {
        self.sweep_position
            .lock()
            .expect("no code panics while holding it")
            .clone()
    }

    fn set_sweep_position(&self, position: Option<Vec<u8>>) {
        *self
            .sweep_position
            .lock()
            .expect("no code panics while holding it") = position;
    }

    fn told(&self) -> Option<housekeeping::Told> {
        self.told.lock().expect("no code panics while holding it").clone()
    }

    fn set_told(&self, told: Option<housekeeping::Told>) {
        *self.told.lock().expect("no code panics while holding it") = told;
    }
}
