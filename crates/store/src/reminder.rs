//! Reminders that keys end.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::ApiKey;

use crate::Result;

/// A reminder whose time has come, with whom to send it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueReminder {
    /// The key as it is.
    pub key: ApiKey,
    /// Where its owner is reached: the proved address, else the contact address.
    pub address: String,
    /// Days before the end, one of [`tm_auth_core::api_key::reminder::DAYS`].
    pub days: u8,
}

/// What the service does to remind owners.
#[async_trait]
pub trait Reminders: Send + Sync {
    /// Up to `limit` reminders that [`tm_auth_core::api_key::reminder::due`] finds due, the nearest end first:
    /// of active keys of accounts that may act and can be reached.
    async fn due_reminders(&self, now: Timestamp, limit: u32) -> Result<Vec<DueReminder>>;

    /// Notes that a reminder is being sent, if it still is the one to send. `true`: to this caller alone,
    /// however many nodes ask; the key may have been revoked or given another end in between.
    async fn claim_reminder(&self, reminder: &DueReminder) -> Result<bool>;
}
