//! The audit trail: who did what to which account, append-only.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId, SessionId};

use crate::AuditAction;

/// Who makes a change, when and from where.
#[derive(Clone, Debug)]
pub struct AuditContext {
    /// Time of the change.
    pub at: Timestamp,
    /// An account's `uid`, a session's id, `operator`, `service`, `visitor` (not logged in) or
    /// `apple`.
    pub actor: String,
    /// The client's address, if there is a client.
    pub ip: Option<IpAddr>,
    /// The request's id, if there is a request.
    pub request_id: Option<String>,
}

impl AuditContext {
    /// A scheduled task of the service.
    pub fn service(at: Timestamp) -> Self {
        Self {
            at,
            actor: "service".to_owned(),
            ip: None,
            request_id: None,
        }
    }

    /// An operator on the command line.
    pub fn operator(at: Timestamp) -> Self {
        Self {
            at,
            actor: "operator".to_owned(),
            ip: None,
            request_id: None,
        }
    }
}

/// A page of a history, newest entries first.
#[derive(Clone, Debug)]
pub struct History {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// The page of older entries begins before this time. `None`: there are none.
    pub older: Option<Timestamp>,
}

/// An entry of the audit trail.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Who made the change, when and from where.
    pub audit_context: AuditContext,
    /// What was done.
    pub action: AuditAction,
    /// The account that was changed.
    pub uid: Option<AccountId>,
    /// The API key.
    pub key_id: Option<KeyId>,
    /// The session.
    pub sid: Option<SessionId>,
    /// More for readers, such as `method=passkey`; for a changed key a JSON list of
    /// [`SettingChange`](tm_auth_core::api_key::setting::SettingChange). Never a secret.
    pub detail: Option<String>,
}

impl AuditEntry {
    /// Writes the entry to the log, so that a change can be repeated if the database is lost. Leaves
    /// out `detail`, which is for people, but for the id of a signing key.
    pub fn log(&self) {
        let context = &self.audit_context;
        tracing::info!(
            action = self.action.as_str(),
            at = %context.at,
            actor = context.actor,
            uid = self.uid.map(tracing::field::display),
            key_id = self.key_id.map(tracing::field::display),
            sid = self.sid.map(tracing::field::display),
            kid = self.kid(),
            request_id = context.request_id,
            "audit"
        );
    }

    fn kid(&self) -> Option<&str> {
        match self.action {
            AuditAction::SigningKeyChanged
            | AuditAction::SigningKeyRemoved
            | AuditAction::SigningKeyRevoked => self.detail.as_deref()?.split(' ').next(),
            _ => None,
        }
    }
}
