//! An audit entry as pages show it to the account's owner.

use jiff::Timestamp;
use tm_auth_core::Account;
use tm_auth_proto::KeyId;
use tm_auth_store::AuditEntry;

use super::words::{self, Instant};

pub(crate) struct EventView {
    pub(crate) what: String,
    pub(crate) detail: Option<String>,
    /// The key it is about, with the key's label.
    pub(crate) key: Option<(KeyId, String)>,
    pub(crate) who: &'static str,
    pub(crate) ip: Option<String>,
    pub(crate) at: Instant,
}

impl EventView {
    /// `key` is the entry's key, or `None` if the page is about that key.
    pub(crate) fn of(
        entry: &AuditEntry,
        account: &Account,
        key: Option<(KeyId, String)>,
        now: Timestamp,
    ) -> Self {
        Self {
            what: words::action(&entry.action),
            detail: entry.detail.as_deref().and_then(words::detail),
            key,
            who: who(&entry.audit_context.actor, account),
            ip: entry.audit_context.ip.map(|ip| ip.to_string()),
            at: Instant::new(entry.audit_context.at, now),
        }
    }
}

fn who(actor: &str, account: &Account) -> &'static str {
    match actor {
        "operator" => "True Markets staff",
        "apple" => "Apple",
        "service" => "The service",
        _ if actor == account.uid.to_string() => "You",
        // The id of a key or a session, whose secret was used.
        _ if actor.parse::<KeyId>().is_ok() => "A program",
        _ => "Someone who was not logged in",
    }
}
