//! Accounts as they are made.

use jiff::Timestamp;
use tm_auth_proto::{AccountId, OrganizationId};

/// An account about to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// A fresh id.
    pub uid: AccountId,
    /// A fresh id.
    pub organization_id: OrganizationId,
    /// An address that its owner proved here.
    pub email: Option<String>,
    /// Now.
    pub created_at: Timestamp,
}
