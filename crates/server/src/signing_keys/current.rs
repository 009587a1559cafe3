//! The set of keys that this node uses now.

use std::sync::{Arc, Mutex, RwLock};

use jiff::{SignedDuration, Timestamp};

use super::key_ring::KeyRing;
use super::rotation::{SigningKeyError, SigningKeys};

/// Least time between two reads that a token with an unknown `kid` causes. Anyone can send such
/// tokens.
const RELOAD_PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The keys in memory, and the way to the keys in the database.
pub(crate) struct CurrentKeys {
    stored: SigningKeys,
    ring: RwLock<Arc<KeyRing>>,
    last_reload: Mutex<Option<Timestamp>>,
    /// Held from the read to the replacement, or a slow reader would bring back a set that a later
    /// one replaced.
    reloading: tokio::sync::Mutex<()>,
}

impl CurrentKeys {
    /// Creates the keys that are missing or due, and unseals the set.
    pub(crate) async fn start(stored: SigningKeys, now: Timestamp) -> Result<Self, SigningKeyError> {
        stored.maintain(now).await?;
        Ok(Self {
            ring: RwLock::new(Arc::new(stored.ring().await?)),
            stored,
            last_reload: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
        })
    }

    /// The keys.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().expect("nothing panics while holding it"))
    }

    /// Reads the set again.
    pub(crate) async fn reload(&self) -> Result<(), SigningKeyError> {
        let _one_at_a_time = self.reloading.lock().await;
        let ring = Arc::new(self.stored.ring().await?);
        *self.ring.write().expect("nothing panics while holding it") = ring;
        Ok(())
    }

    /// Reads the set again because a token names a `kid` that it does not have: another node may
    /// have created that key a moment ago. Does nothing if the last such read was less than
    /// [`RELOAD_PAUSE`] ago.
    pub(crate) async fn reload_for_unknown_kid(&self, now: Timestamp) -> Result<(), SigningKeyError> {
        let may_reload = {
            let mut last = self.last_reload.lock().expect("nothing panics while holding it");
            let may_reload = last.is_none_or(|last| now.duration_since(last).abs() >= RELOAD_PAUSE);
            if may_reload {
                *last = Some(now);
            }
            may_reload
        };
        if may_reload { self.reload().await } else { Ok(()) }
    }

    /// Rotates by schedule. A change is in force on this node when this returns.
    pub(crate) async fn maintain(&self, now: Timestamp) -> Result<(), SigningKeyError> {
        if self.stored.maintain(now).await? {
            self.reload().await?;
        }
        Ok(())
    }
}
