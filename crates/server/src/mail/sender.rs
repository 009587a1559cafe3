//! Delivery by SMTP: a task that leases mail and hands it to the server.
//!
//! 1. It leases as many mails as it has free places, when it is woken and every few seconds.
//! 2. Each is sent to the server, within the configured time.
//! 3. A mail that the server took or rejected for good (5xx) is removed. After another answer the
//!    mail is due again after a wait; each wait is twice as long as the one before.
//! 4. While the server cannot be used at all, one mail at a time is tried, with the same waits.
//!
//! The log has reply codes but no addresses and no content.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::SignedDuration;
use tm_auth_store::StoreError;
use tm_auth_store::error::Chain;
use tm_auth_store::outbox::Postponed;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::compose::Ready;
use super::message::Message;
use super::smtp::{Failure, Server};
use super::{Mailer, Transport, note_dropped};
use crate::config::{Config, Delivery, Smtp};
use crate::metrics;

/// The most mails that are being sent, and the most connections to the mail server.
const PLACES: usize = 4;

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How long running attempts may go on when the service stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The running task. It ends when this is dropped.
pub(crate) struct Sender {
    stop: oneshot::Sender<()>,
    task: JoinSet<()>,
}

struct Delivering {
    mailer: Arc<Mailer>,
    server: Server,
    smtp: Smtp,
    host: String,
    health: Mutex<Health>,
}

/// Whether the server was usable at the last attempt. The log has a line when this changes.
#[derive(Default)]
struct Health {
    failures: u32,
    next_try: Option<Instant>,
}

impl Sender {
    /// Starts the sender if a mail server is configured. Fails if TLS cannot be set up.
    pub(crate) fn start(
        mailer: &Arc<Mailer>,
        config: &Config,
    ) -> Result<Option<Self>, lettre::transport::smtp::Error> {
        let (Transport::Smtp, Delivery::Smtp(smtp)) = (&mailer.transport, config.delivery()) else {
            return Ok(None);
        };
        let host = config.public_url.host().to_owned();
        let delivering = Arc::new(Delivering {
            mailer: Arc::clone(mailer),
            server: Server::new(smtp, &host)?,
            smtp: smtp.clone(),
            host,
            health: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(deliver(delivering, stopped));
        Ok(Some(Self { stop, task }))
    }

    /// Leases nothing more, lets running attempts finish for at most [`DRAIN`], and ends the leases
    /// of the others.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(());
        while self.task.join_next().await.is_some() {}
    }
}

async fn deliver(delivering: Arc<Delivering>, mut stopped: oneshot::Receiver<()>) {
    let mut attempts = JoinSet::new();
    loop {
        if let Err(error) = delivering.mailer.drop_expired().await {
            failed(&error);
        }
        while let Some(most) = delivering.places(attempts.len()) {
            match delivering.mailer.lease(most).await {
                Ok(ready) if ready.is_empty() => break,
                Ok(ready) => ready.into_iter().for_each(|ready| {
                    attempts.spawn(attempt(Arc::clone(&delivering), ready));
                }),
                Err(error) => {
                    failed(&error);
                    break;
                }
            }
        }
        let mut woken = std::pin::pin!(delivering.mailer.wake.notified());
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = attempts.join_next() => {}
            () = &mut woken, if attempts.len() < PLACES => {}
            () = tokio::time::sleep(delivering.pause()) => delivering.server.close_idle(),
        }
    }
    let drained = async { while attempts.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    attempts.shutdown().await;
    delivering.mailer.release().await;
}

async fn attempt(delivering: Arc<Delivering>, ready: Ready) {
    let span = tracing::error_span!("request", request_id = ready.request_id);
    async {
        if let Err(error) = delivering.attempt(ready).await {
            // The lease ends by itself, and the mail is sent again.
            failed(&error);
        }
    }
    .instrument(span)
    .await;
}

impl Delivering {
    /// How many mails may be leased now.
    fn places(&self, taken: usize) -> Option<u32> {
        let health = self.health();
        let places = match health.next_try {
            None => PLACES.saturating_sub(taken),
            Some(next_try) if next_try <= Instant::now() => 1usize.saturating_sub(taken),
            Some(_) => 0,
        };
        u32::try_from(places).ok().filter(|places| *places > 0)
    }

    /// How long to wait before looking again.
    fn pause(&self) -> Duration {
        let next_try = self.health().next_try;
        let wait = next_try.map(|next_try| next_try.saturating_duration_since(Instant::now()));
        // While the one mail that tries the server is being sent, this would be zero.
        wait.filter(|wait| !wait.is_zero())
            .unwrap_or(self.smtp.poll)
            .min(self.smtp.poll)
    }

    async fn attempt(&self, ready: Ready) -> Result<(), StoreError> {
        let mailer = &self.mailer;
        let Ok(message) = Message::new(&ready, &self.smtp.from, &self.host) else {
            note_dropped(ready.request_id.as_deref(), "unreadable", None);
            return mailer.remove(&ready.ids).await;
        };
        let delivery = tokio::time::timeout(self.smtp.attempt, self.server.deliver(&message));
        match delivery.await.unwrap_or(Err(Failure::Deferred(None))) {
            Ok(()) => {
                self.note_usable();
                metrics::mail_sent();
                mailer.remove(&ready.ids).await
            }
            Err(Failure::Refused(code)) => {
                self.note_usable();
                note_dropped(ready.request_id.as_deref(), "refused", Some(code));
                mailer.remove(&ready.ids).await
            }
            Err(Failure::Deferred(code)) => {
                metrics::mail_attempt_failed("deferred");
                tracing::info!(smtp_code = code, "a mail was not delivered and will be retried");
                let wait = wait(self.smtp.retry, ready.attempts);
                self.put_back(&ready, Postponed::Failed, wait).await
            }
            Err(Failure::Unusable(reason)) => {
                metrics::mail_attempt_failed("unusable");
                self.note_unusable(&reason);
                self.put_back(&ready, Postponed::Untried, Duration::ZERO).await
            }
        }
    }

    async fn put_back(&self, ready: &Ready, why: Postponed, wait: Duration) -> Result<(), StoreError> {
        if let Some(uid) = &ready.charged {
            self.mailer.notices.refund(uid);
        }
        let wait = SignedDuration::try_from(wait).unwrap_or_default();
        let due_at = self.mailer.clock.now() + wait;
        self.mailer.postpone(&ready.ids, why, due_at).await
    }

    fn note_usable(&self) {
        let mut health = self.health();
        if health.next_try.is_some() {
            tracing::info!("the mail server takes mail again");
        }
        *health = Health::default();
    }

    fn note_unusable(&self, reason: &str) {
        let mut health = self.health();
        let now = Instant::now();
        match health.next_try {
            None => tracing::warn!(
                error = reason,
                "the mail server cannot be used; waiting mail is retried"
            ),
            // Of several attempts that ran at the same time, the first counts.
            Some(next_try) if next_try > now => return,
            Some(_) => {}
        }
        health.next_try = Some(now + wait(self.smtp.retry, health.failures));
        health.failures = health.failures.saturating_add(1);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().expect("nothing panics while holding it")
    }
}

impl Mailer {
    /// Ends the leases of this node.
    async fn release(&self) {
        let ids: Vec<_> = self.leased().iter().copied().collect();
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.postpone(&ids, Postponed::Untried, self.clock.now()).await {
            failed(&error);
        }
    }
}

fn wait(retry: Duration, failures: u32) -> Duration {
    retry
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST_WAIT)
}

/// Mail that cannot be read or removed now waits in the database.
pub(super) fn failed(error: &StoreError) {
    metrics::background_failure("mail");
    tracing::warn!(task = "mail", error = %Chain(error), "a background task failed and will try again");
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
