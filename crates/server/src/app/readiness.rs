//! Whether the service can do its work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tm_auth_store::Result;
use tm_auth_store::error::Chain;
use tokio::sync::Mutex;

/// Pings the database, one ping at a time. A ping is a write and anyone may request it, so requests
/// that arrive during a ping share the next one.
#[derive(Default)]
pub(crate) struct Readiness {
    begun: AtomicU64,
    /// The number of the last completed ping, and whether it succeeded.
    last: Mutex<(u64, bool)>,
    is_ending: AtomicBool,
}

impl Readiness {
    /// Makes the service not ready for the rest of its life. Called before it stops.
    pub(crate) fn end(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
    }

    /// The outcome of a ping that started after this call.
    pub(crate) async fn check(&self, ping: impl Future<Output = Result<()>>) -> bool {
        if self.is_ending.load(Ordering::SeqCst) {
            return false;
        }
        let begun_before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 > begun_before {
            return last.1;
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let outcome = ping.await;
        if let Err(error) = &outcome {
            tracing::warn!(error = %Chain(error), "not ready");
        }
        *last = (number, outcome.is_ok());
        last.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn j07_who_comes_while_a_question_is_under_way_shares_the_next() {
        let readiness = Readiness::default();
        let asked = AtomicU64::new(0);
        let first_is_asked = tokio::sync::Notify::new();
        let (may_answer, answer) = tokio::sync::oneshot::channel::<()>();
        let first = readiness.check(async {
            asked.fetch_add(1, Ordering::SeqCst);
            first_is_asked.notify_one();
            let _ = answer.await;
            Err(tm_auth_store::StoreError::unavailable("down"))
        });
        let ask = || {
            readiness.check(async {
                asked.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
        };
        let others = async {
            first_is_asked.notified().await;
            // Polled in this order: both wait before the first is answered.
            let release = async { may_answer.send(()).is_ok() };
            tokio::join!(ask(), ask(), release)
        };
        let outcomes = tokio::join!(first, others);
        // A ping that began before a request arrived says nothing about the time of that request.
        assert_eq!(outcomes, (false, (true, true, true)));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert!(ask().await);
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}
