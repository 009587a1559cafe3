//! When and from where keys were last used. The uses gather in memory and are written in one batch
//! every few seconds. A crash may lose those seconds, but never a session or a revocation.

use std::collections::HashMap;
use std::sync::Mutex;

use tm_auth_proto::KeyId;
use tm_auth_store::{KeyUse, Result, Store};

#[derive(Default)]
pub(crate) struct Usage(Mutex<HashMap<KeyId, KeyUse>>);

impl Usage {
    pub(crate) fn note(&self, usage: KeyUse) {
        self.0
            .lock()
            .expect("nothing panics while holding it")
            .insert(usage.key_id, usage);
    }

    /// Writes the uses. If that fails, keeps each one for the next call, unless a newer use of the
    /// same key was recorded.
    pub(crate) async fn flush(&self, store: &Store) -> Result<()> {
        let gathered = std::mem::take(&mut *self.0.lock().expect("nothing panics while holding it"));
        if gathered.is_empty() {
            return Ok(());
        }
        let uses = gathered.values().copied().collect();
        let outcome = store.record_use(uses).await;
        if outcome.is_err() {
            let mut waiting = self.0.lock().expect("nothing panics while holding it");
            for (key_id, usage) in gathered {
                waiting.entry(key_id).or_insert(usage);
            }
        }
        outcome
    }
}
