//! Copies of API keys in memory, so that a mint usually reads no key from the database.
//!
//! A stale copy costs one more read, never a wrong response: the insert of a mint's session checks
//! that the row still is what the copy was made from, and a refusal is repeated with the row.

use std::sync::Arc;

use moka::sync::Cache;
use tm_auth_core::ApiKey;
use tm_auth_proto::KeyId;
use tm_auth_store::{Change, Result, Store};

/// Maximum number of keys of a node.
pub(crate) const CAPACITY: u64 = 100_000;

/// The result of a look-up.
#[derive(Debug)]
pub struct Found {
    /// `None` if there is no such key.
    pub key: Option<Arc<ApiKey>>,
    /// Whether `key` comes from memory and may be out of date.
    pub is_copy: bool,
}

/// The keys that were used recently.
pub struct ApiKeyCache {
    store: Arc<Store>,
    copies: Cache<KeyId, Arc<ApiKey>>,
}

impl ApiKeyCache {
    /// Holds about `capacity` keys at most. Beyond it the least used ones are dropped.
    pub fn new(store: Arc<Store>, capacity: u64) -> Self {
        Self {
            store,
            copies: Cache::new(capacity),
        }
    }

    /// The number of keys in memory, without those that are to be dropped.
    pub fn len(&self) -> u64 {
        self.copies.run_pending_tasks();
        self.copies.entry_count()
    }

    /// Whether no key is in memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the key, from memory if it is there.
    pub async fn get(&self, key_id: KeyId) -> Result<Found> {
        let copy = self.copies.get(&key_id);
        let is_copy = copy.is_some();
        let key = match copy {
            Some(key) => Some(key),
            None => self.read(key_id).await?,
        };
        Ok(Found { key, is_copy })
    }

    /// Whether the key is in memory, because it was used recently.
    pub fn has(&self, key_id: KeyId) -> bool {
        self.copies.contains_key(&key_id)
    }

    /// Reads the key from the database and replaces the copy.
    pub async fn read(&self, key_id: KeyId) -> Result<Option<Arc<ApiKey>>> {
        let key = self.store.api_key(key_id).await?.map(Arc::new);
        match &key {
            Some(key) => self.copies.insert(key_id, Arc::clone(key)),
            None => self.copies.invalidate(&key_id),
        }
        Ok(key)
    }

    /// Drops the copies that a change affects.
    pub(crate) fn forget(&self, change: &Change) {
        match change {
            Change::Key(key_id) => self.copies.invalidate(key_id),
            // Accounts change rarely, so an index by account is not worth it.
            Change::Account(_) => self.copies.invalidate_all(),
            Change::SigningKeys | Change::Revocations => {}
        }
    }

    /// Drops every copy.
    pub(crate) fn clear(&self) {
        self.copies.invalidate_all();
    }
}
