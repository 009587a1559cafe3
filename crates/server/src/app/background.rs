//! Background tasks. A failure is logged, and the next round tries again.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tm_auth_store::error::Chain;
use tm_auth_store::{Result, Retention};
use tokio::task::JoinSet;

use super::{App, revocation_list};
use crate::signing_keys::rotation::SigningKeyError;

/// Time between two polls for changes. A change by another node or a command is in force here after
/// about this time.
const POLL: Duration = Duration::from_millis(250);
/// Time between two comparisons of the clock with the database server's.
const COMPARE: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(10);
const FLUSH: Duration = Duration::from_secs(2);
/// How far back a round looks for what operators did.
const OPERATORS: SignedDuration = SignedDuration::from_secs(60);
const MAINTAIN: Duration = Duration::from_mins(1);
/// Pause between two batches of a sweep, so that requests get their turn.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);

/// Starts all tasks. Dropping the set stops them.
pub(crate) fn start(app: &Arc<App>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(follow_changes(Arc::clone(app)));
    tasks.spawn(compare_clocks(Arc::clone(app)));
    tasks.spawn(log_operators(Arc::clone(app)));
    tasks.spawn(flush_usage(Arc::clone(app)));
    tasks.spawn(maintain_keys(Arc::clone(app)));
    tasks.spawn(sweep(Arc::clone(app)));
    tasks.spawn(remind(Arc::clone(app)));
    tasks.spawn(measure_mail(Arc::clone(app)));
    tasks
}

async fn follow_changes(app: Arc<App>) {
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = app.take_over_changes().await {
            failed("changes", &error);
        }
    }
}

async fn compare_clocks(app: Arc<App>) {
    let mut ticks = tokio::time::interval(COMPARE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = app.store.compare_clocks().await {
            failed("clock", &error);
        }
    }
}

/// Writes to the log what commands of operators add to the audit trail, since a command has no log.
/// A node does not know what was logged before its start, so it begins a day back.
async fn log_operators(app: Arc<App>) {
    let mut known = BTreeMap::new();
    let mut since = app.now() - SignedDuration::from_hours(24);
    let mut ticks = tokio::time::interval(FLUSH);
    loop {
        ticks.tick().await;
        match app.store.operator_entries(since).await {
            Ok(entries) => {
                for (id, entry) in entries {
                    if known.insert(id, entry.audit_context.at).is_none() {
                        entry.log();
                    }
                }
                // A command may commit a moment after the time of its entry, by another clock.
                since = app.now() - OPERATORS;
                known.retain(|_, at| *at >= since);
            }
            Err(error) => failed("operators", &error),
        }
    }
}

async fn flush_usage(app: Arc<App>) {
    let mut ticks = tokio::time::interval(FLUSH);
    loop {
        ticks.tick().await;
        if let Err(error) = app.usage.flush(&app.store).await {
            failed("usage", &error);
        }
        if let Err(error) = app.refusals.flush(&app.store).await {
            failed("refusals", &error);
        }
        if let Err(error) = app.reached_limits.flush(&app.store, Some(app.now())).await {
            failed("reached_limits", &error);
        }
    }
}

async fn maintain_keys(app: Arc<App>) {
    let mut ticks = tokio::time::interval(MAINTAIN);
    loop {
        ticks.tick().await;
        // A round may generate RSA keys, so its limit is longer than the deadline of the database.
        match tokio::time::timeout(MAINTAIN, app.maintain_keys()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed("signing_keys", &error),
            Err(late) => failed("signing_keys", &late),
        }
    }
}

async fn sweep(app: Arc<App>) {
    loop {
        tokio::time::sleep(MAINTAIN).await;
        if let Err(error) = app.sweep().await {
            failed("sweep", &error);
        }
    }
}

async fn remind(app: Arc<App>) {
    let mut ticks = tokio::time::interval(MAINTAIN);
    loop {
        ticks.tick().await;
        if let Err(error) = app.remind().await {
            failed("reminders", &error);
        }
    }
}

async fn measure_mail(app: Arc<App>) {
    let mut ticks = tokio::time::interval(MEASURE);
    loop {
        ticks.tick().await;
        if let Err(error) = app.mail.measure().await {
            failed("mail", &error);
        }
    }
}

impl App {
    /// Deletes what retention no longer keeps, and mail whose time is over. Deletes nothing if the
    /// clock has jumped.
    pub async fn sweep(&self) -> Result<()> {
        let Some(now) = self.trusted_clock.now().await? else {
            // The log has it already.
            crate::metrics::background_failure("sweep");
            return Ok(());
        };
        self.trusted_clock.note(now).await?;
        let retention = self.retention();
        loop {
            let swept = self.store.sweep(now, &retention).await?;
            crate::metrics::swept(swept);
            if !swept.more {
                break;
            }
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
        self.mail.drop_expired().await
    }

    /// Rotates the signing keys by schedule, unless the clock has jumped.
    pub async fn maintain_keys(&self) -> Result<(), SigningKeyError> {
        match self.trusted_clock.now().await? {
            Some(now) => self.current_keys.maintain(now).await,
            None => Ok(()),
        }
    }

    /// Writes the mails that remind owners of keys that expire, unless the clock has jumped.
    pub async fn remind(&self) -> Result<()> {
        crate::app::api_key_reminders::send_due(self).await
    }

    /// How long the sweeper keeps rows that are no longer needed.
    pub fn retention(&self) -> Retention {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        let keep = &self.config.retention;
        Retention {
            batch: keep.sweep_batch,
            session_idle: self.lifetimes.idle,
            session: days(keep.ended_sessions_days),
            // The row must outlive the challenge, or the challenge could be replayed. This covers
            // twice its window and a clock that stepped by hours.
            challenge: SignedDuration::from_hours(26),
            revocation: revocation_list::KEPT,
            audit: days(keep.audit_days),
            change: SignedDuration::from_hours(1),
            code: SignedDuration::from_hours(1),
            network: SignedDuration::from_hours(180 * 24),
            pending_key: tm_auth_core::registration::PENDING_LIFE,
        }
    }
}

pub(super) fn failed(task: &'static str, error: &dyn Error) {
    crate::metrics::background_failure(task);
    tracing::warn!(task, error = %Chain(error), "a background task failed and will try again");
}
