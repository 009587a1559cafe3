//! The time by which rows are deleted, mail expires, owners are reminded and signing keys change:
//! this machine's, unless it has jumped ([`clock_jump`]).

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tm_auth_core::clock_jump::{ClockJump, Verdict};
use tm_auth_store::{Result, Store};

use crate::clock::Clock;

/// See the module.
pub(crate) struct TrustedClock {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    jump: Mutex<ClockJump>,
}

impl TrustedClock {
    pub(crate) fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            jump: Mutex::default(),
        }
    }

    /// The time. `None` if it must not decide anything that cannot be undone.
    pub(crate) async fn now(&self) -> Result<Option<Timestamp>> {
        let last_seen = self.store.last_seen_at().await?;
        let (now, running) = (self.clock.now(), self.clock.running());
        let verdict = self
            .jump
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .judge(last_seen, now, running);
        match verdict {
            Verdict::Trusted => Ok(Some(now)),
            Verdict::Jumped { by, is_new } => {
                if is_new {
                    tracing::error!(
                        hours = by.as_hours(),
                        "the clock is far from the last time that the database has seen; nothing is deleted by it before it has held for an hour"
                    );
                }
                Ok(None)
            }
        }
    }

    /// Tells the database a trusted time.
    pub(crate) async fn note(&self, now: Timestamp) -> Result<()> {
        self.store.set_last_seen_at(now).await
    }
}
