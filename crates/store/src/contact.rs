//! Where the owner of an account is told what happens to it.

use async_trait::async_trait;
use tm_auth_proto::{AccountId, SessionId};

use crate::Result;

/// How owners are reached.
#[async_trait]
pub trait Contacts: Send + Sync {
    /// The address of an account that it did not prove here. It selects no account.
    async fn contact_email(&self, uid: AccountId) -> Result<Option<String>>;

    /// Sets that address. `false`: no such account.
    async fn set_contact_email(&self, uid: AccountId, email: Option<String>) -> Result<bool>;

    /// The account whose session this is, a key's or a person's, whatever its state.
    async fn owner_of_session(&self, sid: SessionId) -> Result<Option<AccountId>>;
}
