//! Accounts: who owns keys.

use jiff::Timestamp;
use tm_auth_proto::{AccountId, OrganizationId};

/// An account, as the rules need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Stable for ever.
    pub uid: AccountId,
    /// Its personal organization.
    pub organization_id: OrganizationId,
    /// The address it proved here, if any.
    pub email: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it may do nothing.
    pub disabled_at: Option<Timestamp>,
    /// Counts every change of the row, so that a decision made on a copy can be checked against it.
    pub version: i64,
}

impl Account {
    /// The `sub` claim: the proved e-mail, else the `uid`.
    pub fn subject(&self) -> String {
        self.email.clone().unwrap_or_else(|| self.uid.to_string())
    }
}
