//! Delivery: workers take due mails from the queue.
//!
//! 1. An expired mail is dropped.
//! 2. Any other is sent to the server, within the configured time.
//! 3. A permanent rejection (5xx) drops the mail. After other failures it is retried; each wait is
//!    twice as long as the one before.
//!
//! The log has reply codes but no addresses and no content.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::queue::{Queue, Taken};
use super::smtp::{Failure, IDLE, Server};
use crate::clock::Clock;
use crate::config::Smtp;
use crate::metrics;

/// The number of workers, and of connections to the mail server.
const WORKERS: usize = 4;

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How long queued mail is still tried when the service stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The running workers. They stop when this is dropped.
pub(crate) struct Workers {
    queue: Arc<Queue>,
    workers: JoinSet<()>,
}

struct Worker {
    queue: Arc<Queue>,
    server: Arc<Server>,
    clock: Arc<dyn Clock>,
    attempt: Duration,
    retry: Duration,
    /// Whether the server was usable at the last attempt. The log has a line when this changes.
    is_usable: Arc<AtomicBool>,
}

impl Workers {
    pub(super) fn start(smtp: &Smtp, server: Server, queue: &Arc<Queue>, clock: &Arc<dyn Clock>) -> Self {
        let (server, is_usable) = (Arc::new(server), Arc::new(AtomicBool::new(true)));
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let worker = Worker {
                queue: Arc::clone(queue),
                server: Arc::clone(&server),
                clock: Arc::clone(clock),
                attempt: smtp.attempt,
                retry: smtp.retry,
                is_usable: Arc::clone(&is_usable),
            };
            workers.spawn(worker.work());
        }
        Self {
            queue: Arc::clone(queue),
            workers,
        }
    }

    /// Tries each queued mail once more, for at most [`DRAIN`].
    pub(crate) async fn stop(mut self) {
        self.queue.close();
        let drained = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            let lost = self.queue.held();
            metrics::mail_dropped("stopped", lost as u64);
            tracing::warn!(
                mails = lost,
                "the service stopped before this many mails were delivered"
            );
        }
    }
}

impl Worker {
    async fn work(self) {
        loop {
            let Ok(taken) = tokio::time::timeout(IDLE, self.queue.next()).await else {
                self.server.close_idle();
                continue;
            };
            let Some(taken) = taken else { return };
            if self.clock.now() >= taken.message.expires_at {
                taken.message.span.in_scope(|| note_dropped("expired", None));
                continue;
            }
            let delivery = self.server.deliver(&taken.message);
            let outcome = tokio::time::timeout(self.attempt, delivery).await;
            let outcome = outcome.unwrap_or(Err(Failure::Deferred(None)));
            let span = taken.message.span.clone();
            span.in_scope(|| self.decide(taken, outcome));
        }
    }

    fn decide(&self, mut taken: Taken, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => {
                self.note_usable(true, "");
                metrics::mail_sent();
            }
            Err(Failure::Refused(code)) => {
                self.note_usable(true, "");
                note_dropped("refused", Some(code));
            }
            Err(Failure::Deferred(code)) => {
                metrics::mail_attempt_failed("deferred");
                tracing::info!(smtp_code = code, "a mail was not delivered and will be retried");
                self.retry_later(&mut taken);
            }
            Err(Failure::Unusable(reason)) => {
                metrics::mail_attempt_failed("unusable");
                self.note_usable(false, &reason);
                self.retry_later(&mut taken);
            }
        }
    }

    fn retry_later(&self, taken: &mut Taken) {
        let wait = wait(self.retry, taken.message.failures);
        taken.message.failures += 1;
        if !taken.retry(wait) {
            note_dropped("stopped", None);
        }
    }

    fn note_usable(&self, is_usable: bool, reason: &str) {
        if self.is_usable.swap(is_usable, Ordering::Relaxed) == is_usable {
            return;
        }
        if is_usable {
            tracing::info!("the mail server takes mail again");
        } else {
            tracing::warn!(
                error = reason,
                "the mail server cannot be used; queued mail is retried"
            );
        }
    }
}

fn wait(retry: Duration, failures: u32) -> Duration {
    retry
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST_WAIT)
}

fn note_dropped(reason: &'static str, code: Option<u16>) {
    metrics::mail_dropped(reason, 1);
    tracing::warn!(reason, smtp_code = code, "a mail was dropped");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_each_wait_is_twice_as_long_up_to_a_minute() {
        let retry = Duration::from_secs(2);
        let waits: Vec<_> = (0..7).map(|failures| wait(retry, failures).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait(retry, u32::MAX), LONGEST_WAIT);
    }
}
