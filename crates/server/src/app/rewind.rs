//! What this node does if the database went back: a backup was restored under it, or a standby was
//! promoted that lacked the last commits.
//!
//! 1. The node notices that changes which it has seen are gone. From now on it refuses mints and
//!    refreshes and is not ready, because it cannot know what else was lost: keys that were revoked,
//!    challenges that were used.
//! 2. It keeps its revocation list, and writes back what the database lacks.
//! 3. The database is marked, so that other nodes and later processes refuse too.
//! 4. `tm-auth post-restore` removes the mark, and the nodes go on.
//!
//! With `database.after_rewind = "continue"`, mints and refreshes go on after step 2.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use tm_auth_store::{AuditContext, Result, Revocation, Store};

use super::revocation_list::{ALL, RevocationList};
use crate::config::AfterRewind;
use crate::error::ApiError;

/// Entries that one transaction writes back, so that each one is short.
const BATCH: usize = 50;

/// Whether the database went back.
pub(crate) struct Rewind {
    policy: AfterRewind,
    /// Noticed here, and not yet written back.
    is_pending: AtomicBool,
    /// The database has the mark.
    is_marked: AtomicBool,
}

impl Rewind {
    /// Reads the mark for the first time.
    pub(crate) async fn start(store: &Store, policy: AfterRewind) -> Result<Self> {
        let rewind = Self {
            policy,
            is_pending: AtomicBool::new(false),
            is_marked: AtomicBool::new(false),
        };
        rewind.read_mark(store).await?;
        Ok(rewind)
    }

    /// Refuses what depends on data that the database may have lost.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let is_known = self.is_pending.load(Ordering::SeqCst) || self.is_marked.load(Ordering::SeqCst);
        if is_known && self.policy == AfterRewind::Stop {
            return Err(ApiError::unavailable(
                "the database went back in time; an operator has to run `tm-auth post-restore`",
            ));
        }
        Ok(())
    }

    /// Step 1.
    pub(crate) fn notice(&self) {
        self.is_pending.store(true, Ordering::SeqCst);
        crate::metrics::database_went_back();
        tracing::error!(
            "the database went back in time: changes that this node has seen are gone; repeating the revocations that it knows"
        );
    }

    /// Steps 2 and 3. Does nothing unless something is pending.
    pub(crate) async fn repeat(&self, store: &Store, list: &RevocationList, now: Timestamp) -> Result<()> {
        if !self.is_pending.load(Ordering::SeqCst) {
            return Ok(());
        }
        let stored: HashSet<_> = store.revocations(ALL).await?.into_iter().collect();
        let lost: Vec<Revocation> = list
            .known()
            .into_iter()
            .filter(|entry| !stored.contains(entry))
            .collect();
        let mut repeated = 0;
        // The first batch marks the database, even if nothing is lost.
        let (first, others) = lost.split_at(lost.len().min(BATCH));
        for batch in std::iter::once(first).chain(others.chunks(BATCH)) {
            repeated += store
                .repeat_revocations(batch.to_vec(), &AuditContext::service(now))
                .await?;
        }
        self.is_marked.store(true, Ordering::SeqCst);
        self.is_pending.store(false, Ordering::SeqCst);
        tracing::error!(
            repeated,
            "the revocations that the database had lost are in force again"
        );
        Ok(())
    }

    /// Reads whether the database is marked.
    pub(crate) async fn read_mark(&self, store: &Store) -> Result<()> {
        let is_marked = store.went_back_at().await?.is_some();
        if self.is_marked.swap(is_marked, Ordering::SeqCst) != is_marked {
            if is_marked {
                tracing::error!("the database is marked as one that went back in time");
            } else {
                tracing::info!("an operator has looked at the database that went back in time");
            }
        }
        Ok(())
    }
}
