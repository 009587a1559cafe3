//! The audit trail.

use tm_auth_proto::{AccountId, KeyId, SessionId};

use super::row::parse;
use super::{Columns, Store, Tx, args};
use crate::{AuditAction, AuditContext, AuditEntry, Result};

impl Store {
    /// Adds entries to the audit trail.
    pub async fn audit(&self, entries: Vec<AuditEntry>) -> Result<()> {
        self.write_read_committed(async move |tx| {
            for entry in &entries {
                add(tx, entry).await?;
            }
            Ok(())
        })
        .await
    }

    /// The newest audit entries of an account, or of all.
    pub async fn audit_trail(&self, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>> {
        self.read(async move |tx| newest(tx, uid, limit).await).await
    }
}

/// Adds an entry within the transaction of what it is about.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    audit_context: &AuditContext,
    action: AuditAction,
    uid: Option<AccountId>,
    key_id: Option<KeyId>,
    sid: Option<SessionId>,
    detail: Option<&str>,
) -> Result<()> {
    let detail = detail.map(ToOwned::to_owned);
    add(
        tx,
        &AuditEntry {
            audit_context: audit_context.clone(),
            action,
            uid,
            key_id,
            sid,
            detail,
        },
    )
    .await
}

pub(super) async fn add(tx: &mut Tx<'_>, entry: &AuditEntry) -> Result<()> {
    let audit_context = &entry.audit_context;
    tx.execute(
        "INSERT INTO audit (at, action, actor, uid, key_id, sid, ip, request_id, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        args![
            audit_context.at,
            entry.action.as_str(),
            audit_context.actor,
            entry.uid,
            entry.key_id,
            entry.sid,
            audit_context.ip.map(|ip| ip.to_string()),
            audit_context.request_id,
            entry.detail,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn newest(tx: &mut Tx<'_>, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>> {
    let sql = "SELECT at, actor, ip, request_id, action, uid, key_id, sid, detail FROM audit
         WHERE ?1 IS NULL OR uid = ?1 ORDER BY id DESC LIMIT ?2";
    tx.list(sql, args![uid, limit], read).await
}

fn read(columns: &mut Columns<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        audit_context: AuditContext {
            at: columns.next()?,
            actor: columns.next()?,
            ip: columns.next::<Option<&str>>()?.map(parse).transpose()?,
            request_id: columns.next()?,
        },
        action: AuditAction::parse(columns.next()?),
        uid: columns.next()?,
        key_id: columns.next()?,
        sid: columns.next()?,
        detail: columns.next()?,
    })
}
