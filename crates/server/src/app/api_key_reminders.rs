//! Owners are reminded by mail that their keys end: 30, 7 and 1 day before.
//!
//! Every node asks; a reminder is claimed in the database before it is sent, so one of them sends it. Where
//! that one is lost on its way, the next one still comes.

use tm_auth_store::StoreError;

use crate::app::App;
use crate::mail::templates;

/// At a time, so that a backlog neither holds the database nor fills the queue that sign-in codes need.
const BATCH: u32 = 50;

/// Sends what is due, one batch.
pub(crate) async fn send_due(app: &App) -> Result<(), StoreError> {
    if !app.mail.is_available() {
        return Ok(());
    }
    let due = app.in_time(app.store.due_reminders(app.now(), BATCH)).await?;
    for reminder in due {
        if !app.mail.has_room() {
            // Not claimed, so the next round sends it.
            return Ok(());
        }
        if !app.in_time(app.store.claim_reminder(&reminder)).await? {
            continue;
        }
        let Some(end) = reminder.key.expires_at else {
            continue;
        };
        let mail = templates::key_reminder(
            app.letterhead(),
            &reminder.address,
            &reminder.key.label,
            reminder.days,
            end,
        );
        if let Err(error) = app.mail.send(mail) {
            tracing::warn!(
                code = error.code.as_str(),
                "an owner was not reminded of a key's end"
            );
        }
    }
    Ok(())
}
