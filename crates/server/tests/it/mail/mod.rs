//! Mails: their delivery, text and recipients.

mod codes;
mod delivery;
mod hosts;
mod mailbox;
mod notices;
mod outbox;
mod reminders;

use tm_auth_core::Account;
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_server::random;
use tm_auth_store::{AuditContext, NewAccount};

use crate::support::TestServer;

/// Creates an account with this verified address.
pub(super) async fn account(server: &TestServer, email: &str) -> Account {
    let new = NewAccount {
        uid: AccountId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid()),
        organization_id: OrganizationId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid()),
        email: Some(email.parse().unwrap()),
        created_at: server.now(),
    };
    let audit_context = AuditContext::operator(server.now());
    server
        .store
        .create_account(new, &audit_context)
        .await
        .unwrap()
        .unwrap()
}
