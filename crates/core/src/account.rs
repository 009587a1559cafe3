//! Accounts, which own API keys.

use jiff::Timestamp;
use tm_auth_proto::{AccountId, OrganizationId};

/// The facts about an account that the rules need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Id that never changes.
    pub uid: AccountId,
    /// The account's personal organization.
    pub organization_id: OrganizationId,
    /// Verified e-mail address, if the account has one.
    pub email: Option<String>,
    /// When the account was created.
    pub created_at: Timestamp,
    /// When the account was disabled. All its requests are refused from then on.
    pub disabled_at: Option<Timestamp>,
    /// Increases with each change of the row. A write that relies on a copy of the row can check
    /// that the copy is current.
    pub version: i64,
}

impl Account {
    /// The `sub` claim: the verified e-mail address, or the `uid` if there is none.
    pub fn subject(&self) -> String {
        self.email.clone().unwrap_or_else(|| self.uid.to_string())
    }
}
