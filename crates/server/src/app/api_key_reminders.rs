//! Mails that remind owners that a key expires: 30, 7 and 1 day before.
//!
//! Every node looks for due reminders. A node claims a reminder in the database before it sends it,
//! so that only one node sends it. If that mail is lost, it is not sent again.

use tm_auth_store::StoreError;

use crate::app::App;
use crate::mail::templates;

/// Reminders per batch, so that a backlog neither blocks the database nor fills the mail queue that
/// e-mail codes need.
const BATCH: u32 = 50;

/// Sends one batch of due reminders.
pub(crate) async fn send_due(app: &App) -> Result<(), StoreError> {
    if !app.mail.is_available() {
        return Ok(());
    }
    let due = app.store.due_reminders(app.now(), BATCH).await?;
    for reminder in due {
        if !app.mail.has_room() {
            // The reminder is not claimed, so the next round sends it.
            return Ok(());
        }
        if !app.store.claim_reminder(&reminder).await? {
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
                "a reminder that a key expires was not sent"
            );
        }
    }
    Ok(())
}
