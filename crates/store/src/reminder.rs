//! Reminders that keys expire.

use jiff::Timestamp;
use tm_auth_core::ApiKey;

/// A due reminder and its recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueReminder {
    /// The key.
    pub key: ApiKey,
    /// The account's verified address, or else its contact address.
    pub address: String,
    /// Days before the expiry, one of [`tm_auth_core::api_key::reminder::DAYS`].
    pub days: u8,
    /// When it was found to be due.
    pub found_at: Timestamp,
}
