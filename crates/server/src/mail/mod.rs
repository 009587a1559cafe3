//! E-mail to users.
//!
//! 1. A change writes its mail into the database, in its own transaction
//!    ([`tm_auth_store::outbox`]). A code is sealed before.
//! 2. The handler calls [`Mailer::send_waiting`]. In `smtp` mode this wakes the sender, a task that
//!    also looks for mail by itself. In `mailbox` mode the mail is in the mailbox when it returns,
//!    for the page `/mailbox` and for tests.
//! 3. Mail that is due is leased from the database and composed: a template renders it. An account
//!    that got several notices within a few minutes gets the next ones in one mail.
//! 4. The sender hands mail to the server and removes it from the database. Until then it stays
//!    there, whatever happens to this node. It is retried until it expires.

mod address;
mod byte_wise;
mod compose;
mod mailbox;
mod message;
mod sender;
mod smtp;
pub(crate) mod templates;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::signing::KeyEncryptionKey;
use tm_auth_proto::{AccountId, Environment};
use tm_auth_store::outbox::{LeasedMail, MailContent, MailId, MailLease, Postponed};
use tm_auth_store::{Store, StoreError};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::{Config, Delivery, PublicUrl};
use crate::rate_limits::limiter::{Rate, RateLimiter};
use crate::trusted_clock::TrustedClock;
use crate::{metrics, random};
use compose::Ready;
pub use mailbox::Delivered;
use mailbox::Mailbox;
pub(crate) use sender::Sender;
pub use smtp::probe;
use templates::Letterhead;

/// How long a lease outlasts an attempt to deliver.
const LEASE_RESERVE: SignedDuration = SignedDuration::from_secs(90);

/// An account gets so many mails with notices at once, and as many again within the time.
const NOTICES: (u32, Duration) = (5, Duration::from_mins(10));

/// The most accounts whose notices are counted.
const CAPACITY: usize = 100_000;

/// Mails that one round moves into the mailbox.
const BATCH: u32 = 50;

/// An e-mail to one recipient. `Debug` shows neither the address nor the content.
#[derive(Clone)]
pub(crate) struct Mail {
    /// A normalised address.
    pub(crate) to: String,
    /// Has no secrets: locked screens show it.
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The HTML version, already escaped.
    pub(crate) html: String,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Sends the mail that waits in the database.
pub(crate) struct Mailer {
    clock: Arc<dyn Clock>,
    trusted_clock: Arc<TrustedClock>,
    store: Arc<Store>,
    environment: Environment,
    public_url: PublicUrl,
    /// The first one seals.
    keys: Vec<KeyEncryptionKey>,
    transport: Transport,
    /// Random id of this node.
    node: [u8; 16],
    lease: SignedDuration,
    /// Whether the next lease gives its odd place to the codes.
    codes_first: AtomicBool,
    notices: RateLimiter<AccountId>,
    /// What this node has leased.
    leased: Mutex<HashSet<MailId>>,
    wake: Notify,
}

enum Transport {
    /// No mail server is configured.
    Disabled,
    /// Keeps mail in memory. A caller waits for the one before, which may hold its mail.
    Mailbox(Mailbox, tokio::sync::Mutex<()>),
    /// The sender is a task.
    Smtp,
}

impl Mailer {
    pub(crate) fn new(
        config: &Config,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        trusted_clock: Arc<TrustedClock>,
    ) -> Self {
        let (transport, attempt) = match config.delivery() {
            Delivery::Nowhere => (Transport::Disabled, Duration::ZERO),
            Delivery::Mailbox => {
                let mailbox = Transport::Mailbox(Mailbox::default(), tokio::sync::Mutex::default());
                (mailbox, Duration::ZERO)
            }
            Delivery::Smtp(smtp) => (Transport::Smtp, smtp.attempt),
        };
        let keys = std::iter::once(&config.keys.kek).chain(&config.keys.previous_kek);
        let (burst, period) = NOTICES;
        Self {
            clock,
            trusted_clock,
            store,
            environment: config.environment,
            public_url: config.public_url.clone(),
            keys: keys.map(|key| KeyEncryptionKey::new(key.expose())).collect(),
            transport,
            node: random::bytes(),
            lease: LEASE_RESERVE + SignedDuration::try_from(attempt).unwrap_or(LEASE_RESERVE),
            codes_first: AtomicBool::new(true),
            notices: RateLimiter::new(Rate::new(burst, period), CAPACITY),
            leased: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Whether mail can be sent. If not, pages offer nothing that needs it, and changes write none.
    pub(crate) fn is_available(&self) -> bool {
        !matches!(self.transport, Transport::Disabled)
    }

    /// Sends what waits. A handler calls this after a change that may have written mail. A failure
    /// is logged: the change is made, and the mail waits.
    pub(crate) async fn send_waiting(&self) {
        match &self.transport {
            Transport::Disabled => {}
            Transport::Smtp => self.wake.notify_one(),
            Transport::Mailbox(mailbox, turn) => {
                let _turn = turn.lock().await;
                if let Err(error) = self.fill(mailbox).await {
                    sender::failed(&error);
                }
            }
        }
    }

    async fn fill(&self, mailbox: &Mailbox) -> Result<(), StoreError> {
        loop {
            let ready = self.lease(BATCH).await?;
            if ready.is_empty() {
                return Ok(());
            }
            for ready in ready {
                mailbox.put(ready.mail, self.clock.now());
                self.remove(&ready.ids).await?;
            }
        }
    }

    /// The mails in the mailbox, newest first. `None` in other modes.
    pub(crate) fn mailbox(&self) -> Option<Vec<Arc<Delivered>>> {
        match &self.transport {
            Transport::Mailbox(mailbox, _) => Some(mailbox.newest_first()),
            Transport::Disabled | Transport::Smtp => None,
        }
    }

    /// Drops mail whose time is over. Drops none if the clock has jumped.
    pub(crate) async fn drop_expired(&self) -> Result<(), StoreError> {
        let Some(now) = self.trusted_clock.now().await? else {
            return Ok(());
        };
        for expired in self.store.drop_expired_mail(now).await? {
            note_dropped(expired.request_id.as_deref(), "expired", None);
        }
        Ok(())
    }

    /// Sets the gauges of what waits.
    pub(crate) async fn measure(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for waiting in self.store.waiting_mail().await? {
            let age = waiting
                .oldest
                .map_or(SignedDuration::ZERO, |at| now.duration_since(at));
            metrics::mail_waiting(waiting.kind.as_str(), waiting.count, age);
        }
        Ok(())
    }

    /// What every mail says of this service.
    fn letterhead(&self) -> Letterhead<'_> {
        Letterhead::new(self.environment, &self.public_url)
    }

    /// Leases mail that is due, and composes it. Empty: none is due.
    async fn lease(&self, most: u32) -> Result<Vec<Ready>, StoreError> {
        loop {
            let now = self.clock.now();
            let lease = MailLease {
                node: self.node,
                most,
                codes_first: self.codes_first.fetch_xor(true, Ordering::Relaxed),
                now,
                until: now + self.lease,
            };
            let leased = self.store.lease_mail(lease).await?;
            let is_empty = leased.is_empty();
            let ready = self.compose(lease, leased).await?;
            if is_empty || !ready.is_empty() {
                return Ok(ready);
            }
        }
    }

    /// Composes leased mail. An account's notices beyond its rate are held, and later composed as
    /// one mail.
    async fn compose(&self, lease: MailLease, leased: Vec<LeasedMail>) -> Result<Vec<Ready>, StoreError> {
        self.leased().extend(leased.iter().map(|mail| mail.id));
        let mut together = HashSet::new();
        let mut ready = Vec::new();
        for mail in leased {
            if together.contains(&mail.id) {
                continue;
            }
            let mut mails = vec![mail];
            if let MailContent::Notice(notice) = &mails[0].content
                && let Some(uid) = notice.uid
            {
                if let Err(wait) = self.notices.charge_or_refuse(uid, lease.now) {
                    let wait = SignedDuration::try_from(wait.duration()).unwrap_or(LEASE_RESERVE);
                    self.postpone(&[mails[0].id], Postponed::Held, lease.now + wait)
                        .await?;
                    continue;
                }
                if notice.held {
                    let recipient = mails[0].recipient.clone();
                    mails = self.store.lease_held_notices(lease, uid, recipient).await?;
                    self.leased().extend(mails.iter().map(|mail| mail.id));
                    together.extend(mails.iter().map(|mail| mail.id));
                }
            }
            match self.ready(&mails) {
                Some(composed) => ready.push(composed),
                None => {
                    let ids: Vec<_> = mails.iter().map(|mail| mail.id).collect();
                    self.remove(&ids).await?;
                }
            }
        }
        Ok(ready)
    }

    /// Removes mail from the database.
    async fn remove(&self, ids: &[MailId]) -> Result<(), StoreError> {
        self.store.remove_mail(self.node, ids.to_vec()).await?;
        self.forget(ids);
        Ok(())
    }

    /// Ends the lease of mail.
    async fn postpone(&self, ids: &[MailId], why: Postponed, due_at: Timestamp) -> Result<(), StoreError> {
        let postponed = self.store.postpone_mail(self.node, ids.to_vec(), why, due_at);
        postponed.await?;
        self.forget(ids);
        Ok(())
    }

    fn forget(&self, ids: &[MailId]) {
        let mut leased = self.leased();
        for id in ids {
            leased.remove(id);
        }
    }

    fn leased(&self) -> MutexGuard<'_, HashSet<MailId>> {
        self.leased.lock().expect("nothing panics while holding it")
    }
}

/// The log line can be joined to the request that caused the mail.
fn note_dropped(request_id: Option<&str>, reason: &'static str, code: Option<u16>) {
    metrics::mail_dropped(reason);
    let span = tracing::error_span!("request", request_id);
    span.in_scope(|| tracing::warn!(reason, smtp_code = code, "a mail was dropped"));
}

#[cfg(test)]
mod tests;
