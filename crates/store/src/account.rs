//! New accounts.

use jiff::Timestamp;
use tm_auth_core::EmailAddress;
use tm_auth_proto::{AccountId, OrganizationId};

/// An account to be created.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// New random id.
    pub uid: AccountId,
    /// New random id.
    pub organization_id: OrganizationId,
    /// E-mail address, if its owner has verified it with this service.
    pub email: Option<EmailAddress>,
    /// Creation time.
    pub created_at: Timestamp,
}
