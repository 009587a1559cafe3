//! The audit trail: who did what to which account, append-only.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId, SessionId};

use crate::AuditAction;

/// Where a change comes from.
#[derive(Clone, Debug)]
pub struct AuditContext {
    /// When.
    pub at: Timestamp,
    /// Who: an account's `uid`, a key id, `operator`, or `service`.
    pub actor: String,
    /// From where, where it came over the network.
    pub ip: Option<IpAddr>,
    /// The request, where there was one.
    pub request_id: Option<String>,
}

impl AuditContext {
    /// The service itself, on schedule.
    pub fn service(at: Timestamp) -> Self {
        Self {
            at,
            actor: "service".to_owned(),
            ip: None,
            request_id: None,
        }
    }

    /// An operator at the command line.
    pub fn operator(at: Timestamp) -> Self {
        Self {
            at,
            actor: "operator".to_owned(),
            ip: None,
            request_id: None,
        }
    }
}

/// One line of the trail.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Who, when, from where.
    pub audit_context: AuditContext,
    /// What was done.
    pub action: AuditAction,
    /// Whose account it was about.
    pub uid: Option<AccountId>,
    /// Which key.
    pub key_id: Option<KeyId>,
    /// Which session.
    pub sid: Option<SessionId>,
    /// More, for people. Never a secret.
    pub detail: Option<String>,
}
