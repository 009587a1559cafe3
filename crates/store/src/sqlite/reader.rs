//! Connections that read: a small pool, each used on a blocking thread. With WAL they never wait
//! for the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;

use super::identity::Identity;
use super::lock::InUse;
use super::poll_ready;
use crate::sql::Tx;
use crate::{Result, StoreError};

/// Number of connections that are kept open. Under load more are opened and then closed.
const KEPT: usize = 4;

pub(super) struct Readers {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    identity: Identity,
    /// Released behind the last connection.
    _in_use: Arc<InUse>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, identity: Identity, in_use: Arc<InUse>) -> Self {
        Self {
            shared: Arc::new(Shared {
                path,
                idle: Mutex::default(),
                identity,
                _in_use: in_use,
            }),
        }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        let outcome = tokio::task::spawn_blocking(move || {
            let mut connection = shared.take()?;
            let outcome = poll_ready(work(&mut Tx::sqlite(&mut connection)));
            // A connection that failed is not kept.
            if outcome.is_ok() {
                shared.give_back(connection);
            } else {
                shared.close(connection);
            }
            outcome
        });
        outcome.await.map_err(StoreError::unavailable)?
    }
}

impl Shared {
    fn take(&self) -> Result<Connection> {
        if let Some(connection) = self.idle.lock().expect("no code panics while holding it").pop() {
            return Ok(connection);
        }
        // A new connection would open another file than the old ones have.
        self.identity.check()?;
        let connection = super::open_existing(&self.path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        super::keep_prepared(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().expect("no code panics while holding it");
        if idle.len() < KEPT {
            idle.push(connection);
        } else {
            drop(idle);
            self.close(connection);
        }
    }

    fn close(&self, connection: Connection) {
        super::close(connection, &self.identity);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let idle = std::mem::take(self.idle.get_mut().expect("no code panics while holding it"));
        for connection in idle {
            self.close(connection);
        }
    }
}
