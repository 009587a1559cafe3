//! Changes that other nodes and commands announce in the database, and this node's own.
//!
//! A round reads the changes since the last one and puts them in force here: it drops copies of keys
//! and reads the revocation list and, if they changed, the signing keys again. The background runs a
//! round four times a second, and a request that revoked something runs one before it answers. So
//! this node has seen each change that it acknowledged, and notices if the database loses it.

use tm_auth_store::{Change, Result};
use tokio::sync::Mutex;

use super::{App, background};

/// How far this node has read the changes. Rounds wait for each other.
#[derive(Default)]
pub(crate) struct Changes(Mutex<Position>);

#[derive(Default)]
struct Position {
    latest: i64,
    /// A change could not be put in force, so the next round drops all copies.
    has_missed: bool,
}

impl App {
    /// Runs a round. When this returns, all earlier revocations are in force on this node.
    pub(crate) async fn take_over_changes(&self) -> Result<()> {
        let mut position = self.changes.0.lock().await;
        let found = self.store.changes(position.latest).await?;
        if found.went_back {
            self.rewind.notice();
        }
        position.latest = found.latest;
        let changes = found.changes.filter(|_| !position.has_missed);
        if changes.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        position.has_missed = true;
        let are_keys_read = self.put_in_force(changes.as_deref()).await?;
        position.has_missed = !are_keys_read;
        Ok(())
    }

    /// `None` means that this node missed some changes, so it drops every copy. Returns whether the
    /// signing keys are as they should be; the error is of the revocation list.
    async fn put_in_force(&self, changes: Option<&[Change]>) -> Result<bool> {
        match changes {
            Some(changes) => changes.iter().for_each(|change| self.api_keys.forget(change)),
            None => self.api_keys.clear(),
        }
        // Before the list is read again: what the database lost is only in this node's copy of it.
        self.rewind
            .repeat(&self.store, &self.revocations, self.now())
            .await?;
        self.rewind.read_mark(&self.store).await?;
        // The list has revoked keys and disabled accounts too. It is read before the signing keys,
        // so that a failure to load those does not keep this node from learning a revocation.
        self.revocations.reload(self.now()).await?;
        let has_keys = changes.is_none_or(|changes| changes.contains(&Change::SigningKeys));
        if has_keys && let Err(error) = self.current_keys.reload().await {
            background::failed("signing_keys", &error);
            return Ok(false);
        }
        Ok(true)
    }
}
