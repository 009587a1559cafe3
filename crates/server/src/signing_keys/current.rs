//! The signing and MAC keys that this node currently uses.

use std::sync::{Arc, Mutex, RwLock};

use jiff::{SignedDuration, Timestamp};

use super::key_ring::KeyRing;
use super::rotation::{SigningKeyError, SigningKeys};

/// Minimum time between two reads that tokens with an unknown `kid` cause. Anyone can send such
/// tokens.
const RELOAD_PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The keys in memory, and access to the keys in the database.
pub(crate) struct CurrentKeys {
    stored: SigningKeys,
    ring: RwLock<Arc<KeyRing>>,
    last_reload: Mutex<Option<Timestamp>>,
    /// Held from the read to the replacement. Otherwise a slow reader could replace a newer set
    /// with an older one.
    reloading: tokio::sync::Mutex<()>,
}

impl CurrentKeys {
    /// Carries out what is due, such as creating missing keys, and loads the set. `now` is `None` if
    /// the clock is not trusted; then nothing is due.
    pub(crate) async fn start(stored: SigningKeys, now: Option<Timestamp>) -> Result<Self, SigningKeyError> {
        if let Some(now) = now {
            stored.maintain(now).await?;
        }
        Ok(Self {
            ring: RwLock::new(Arc::new(stored.ring().await?)),
            stored,
            last_reload: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
        })
    }

    /// Returns the current set.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().expect("nothing panics while holding it"))
    }

    /// Reads the set again from the database.
    pub(crate) async fn reload(&self) -> Result<(), SigningKeyError> {
        let _one_at_a_time = self.reloading.lock().await;
        let ring = Arc::new(self.stored.ring().await?);
        *self.ring.write().expect("nothing panics while holding it") = ring;
        Ok(())
    }

    /// Reads the set again because it lacks the `kid` of a token. Another node may have just
    /// created that key. Does nothing if the last such read was less than [`RELOAD_PAUSE`] ago.
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

    /// Rotates by schedule. When this returns, a change is in force on this node.
    pub(crate) async fn maintain(&self, now: Timestamp) -> Result<(), SigningKeyError> {
        if self.stored.maintain(now).await? {
            self.reload().await?;
        }
        Ok(())
    }
}
