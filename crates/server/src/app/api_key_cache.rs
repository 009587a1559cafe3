//! API keys in memory, so that a mint reads no row for its decision.
//!
//! A copy decides nothing by itself: the insert of a mint's session checks the row that the copy
//! was made from. A copy that is out of date costs one more read, never a wrong answer.

use std::sync::Arc;

use moka::sync::Cache;
use tm_auth_core::ApiKey;
use tm_auth_proto::KeyId;
use tm_auth_store::{Change, Result, Store};

/// Most keys held. The least used ones are dropped beyond it.
const CAPACITY: u64 = 100_000;

/// A key as it was found.
pub(crate) struct Found {
    /// `None` if there is no such key.
    pub(crate) key: Option<Arc<ApiKey>>,
    /// Whether this is a copy that the database may have changed since.
    pub(crate) is_copy: bool,
}

/// The keys that were asked for last.
pub(crate) struct ApiKeyCache {
    store: Arc<Store>,
    copies: Cache<KeyId, Arc<ApiKey>>,
}

impl ApiKeyCache {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            copies: Cache::new(CAPACITY),
        }
    }

    /// The key, from memory if it is there.
    pub(crate) async fn get(&self, key_id: KeyId) -> Result<Found> {
        let copy = self.copies.get(&key_id);
        let is_copy = copy.is_some();
        let key = match copy {
            Some(key) => Some(key),
            None => self.read(key_id).await?,
        };
        Ok(Found { key, is_copy })
    }

    /// The key as the database has it now.
    pub(crate) async fn read(&self, key_id: KeyId) -> Result<Option<Arc<ApiKey>>> {
        let key = self.store.api_key(key_id).await?.map(Arc::new);
        match &key {
            Some(key) => self.copies.insert(key_id, Arc::clone(key)),
            None => self.copies.invalidate(&key_id),
        }
        Ok(key)
    }

    /// Drops the copies that a change concerns.
    pub(crate) fn forget(&self, change: &Change) {
        match change {
            Change::Key(key_id) => self.copies.invalidate(key_id),
            // Accounts change rarely and have few keys: not worth an index.
            Change::Account(_) => self.copies.invalidate_all(),
            Change::SigningKeys | Change::Revocations => {}
        }
    }

    /// Drops every copy.
    pub(crate) fn clear(&self) {
        self.copies.invalidate_all();
    }
}
