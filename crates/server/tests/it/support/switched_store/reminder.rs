//! Reminders, behind the switch.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_store::{DueReminder, Reminders, Result};

use super::SwitchedStore;

#[async_trait]
impl Reminders for SwitchedStore {
    async fn due_reminders(&self, now: Timestamp, limit: u32) -> Result<Vec<DueReminder>> {
        self.gate("due_reminders").await?;
        self.inner.due_reminders(now, limit).await
    }

    async fn claim_reminder(&self, reminder: &DueReminder) -> Result<bool> {
        self.gate("claim_reminder").await?;
        self.inner.claim_reminder(reminder).await
    }
}
