//! Reminders that keys end.

use tm_auth_core::ApiKey;

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
