//! What the service does without being asked. A failure is logged and tried again with the next round.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tm_auth_store::{Change, Retention};
use tokio::task::JoinSet;

use crate::app::App;

/// What another node or a command changed is in force here after at most this long.
const POLL: Duration = Duration::from_millis(250);
/// A number that no change has: who asks with it is told to drop all copies.
const EVERYTHING: i64 = i64::MAX;
const FLUSH: Duration = Duration::from_secs(2);
const MAINTAIN: Duration = Duration::from_mins(1);
/// Between two batches of a sweep, so that requests get their turn.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);

/// Starts all of it. The tasks end when the set is dropped.
pub(crate) fn start(app: &Arc<App>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(follow_changes(Arc::clone(app)));
    tasks.spawn(flush_usage(Arc::clone(app)));
    tasks.spawn(maintain_keys(Arc::clone(app)));
    tasks.spawn(sweep(Arc::clone(app)));
    tasks.spawn(remind(Arc::clone(app)));
    tasks
}

async fn follow_changes(app: Arc<App>) {
    let mut latest = 0;
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match app.in_time(app.store.changes(latest)).await {
            Ok(found) => {
                if found.changes.as_ref().is_some_and(Vec::is_empty) {
                    continue;
                }
                // Moved on only once all of it is in force; else all of it is due next time, whatever it was.
                let taken = take_over(&app, found.changes).await;
                latest = taken.map_or(EVERYTHING, |()| found.latest);
            }
            Err(error) => failed("changes", &error),
        }
    }
}

/// `None`: some changes were missed, so every copy is dropped.
async fn take_over(app: &App, changes: Option<Vec<Change>>) -> Result<(), ()> {
    match &changes {
        Some(changes) => changes.iter().for_each(|change| app.forget(change)),
        None => app.forget_everything(),
    }
    // A revoked key or a disabled account is on the list as well. Whether the keys unseal must not decide
    // whether a revocation is learnt.
    let revocations = app.reload_revocations().await;
    let revocations = revocations.map_err(|error| failed("revocations", &error));
    let has_keys = changes
        .as_ref()
        .is_none_or(|changes| changes.contains(&Change::ServiceKeys));
    if has_keys {
        let keys = app.reload_keys().await;
        keys.map_err(|error| failed("service_keys", &error))?;
    }
    revocations
}

async fn flush_usage(app: Arc<App>) {
    let mut ticks = tokio::time::interval(FLUSH);
    loop {
        ticks.tick().await;
        if let Err(error) = app.usage.flush(&app).await {
            failed("usage", &error);
        }
        if let Err(error) = app.refusals.flush(&app).await {
            failed("refusals", &error);
        }
        if let Err(error) = app.reached_limits.flush(&app, Some(app.now())).await {
            failed("reached_limits", &error);
        }
    }
}

async fn maintain_keys(app: Arc<App>) {
    let mut ticks = tokio::time::interval(MAINTAIN);
    loop {
        ticks.tick().await;
        // Making RSA keys may take longer than the database may.
        match tokio::time::timeout(MAINTAIN, app.maintain_keys()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed("service_keys", &error),
            Err(late) => failed("service_keys", &late),
        }
    }
}

async fn sweep(app: Arc<App>) {
    let retention = app.retention();
    loop {
        tokio::time::sleep(MAINTAIN).await;
        loop {
            match app.in_time(app.store.sweep(app.now(), &retention)).await {
                Ok(swept) => {
                    crate::metrics::swept(swept);
                    if !swept.more {
                        break;
                    }
                }
                Err(error) => {
                    failed("sweep", &error);
                    break;
                }
            }
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
    }
}

async fn remind(app: Arc<App>) {
    let mut ticks = tokio::time::interval(MAINTAIN);
    loop {
        ticks.tick().await;
        if let Err(error) = crate::app::api_key_reminders::send_due(&app).await {
            failed("reminders", &error);
        }
    }
}

impl App {
    /// How long things are kept, as the sweeper of this service goes by it.
    pub fn retention(&self) -> Retention {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        let keep = &self.config.retention;
        Retention {
            batch: keep.sweep_batch,
            session_idle: self.lives.idle,
            session: days(keep.ended_sessions_days),
            // Twice the window, and a clock that stepped by hours: a challenge must never outlive its row.
            challenge: SignedDuration::from_hours(26),
            revocation: Self::revocation_retention(),
            audit: days(keep.audit_days),
            change: SignedDuration::from_hours(1),
            code: SignedDuration::from_hours(1),
            network: SignedDuration::from_hours(180 * 24),
            pending_key: tm_auth_core::registration::PENDING_LIFE,
        }
    }
}

fn failed(task: &'static str, error: &dyn Display) {
    crate::metrics::background_failure(task);
    tracing::warn!(task, %error, "a background task failed and will try again");
}
