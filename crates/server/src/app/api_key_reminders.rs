//! Mails that remind owners that a key expires: 30, 7 and 1 day before.
//!
//! Every node asks for due reminders. A node claims a reminder and writes its mail in one
//! transaction, so each is written once and none is lost.

use tm_auth_store::StoreError;

use crate::app::App;

/// Reminders per batch, so that a backlog does not hold the database.
const BATCH: u32 = 50;

/// Writes one batch of due reminders. Writes none if the clock has jumped.
pub(crate) async fn send_due(app: &App) -> Result<(), StoreError> {
    if !app.mail.is_available() {
        return Ok(());
    }
    let Some(now) = app.trusted_clock.now().await? else {
        return Ok(());
    };
    for reminder in app.store.due_reminders(now, BATCH).await? {
        app.store.claim_reminder(&reminder).await?;
    }
    app.mail.send_waiting().await;
    Ok(())
}
