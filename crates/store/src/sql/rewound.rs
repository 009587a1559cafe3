//! A database that went back: a restored backup, or a standby that lacked the last commits.
//!
//! 1. A node notices that changes which it has seen are gone ([`crate::Changes::went_back`]).
//! 2. It writes back what its copy of the revocation list has and the database lacks
//!    ([`Store::repeat_revocations`]). This marks the database.
//! 3. Every node reads the mark ([`Store::went_back_at`]). `post-restore` removes it.

use jiff::Timestamp;
use tm_auth_core::session::EndReason;
use tm_auth_proto::{AccountId, KeyId, SessionId};

use super::{Store, Tx, account, args, audit, housekeeping, revocation, setting};
use crate::{AuditAction, AuditContext, Call, Change, Result, Revocation, Revoked};

/// The setting that holds the mark.
const MARK: &str = "went_back_at";

impl Store {
    /// Marks the database as one that went back, and repeats these revocations. A session ends and an
    /// account or a key is disabled or expires, unless the list has the entry already. A revoked key is only
    /// disabled, because the list does not tell the two apart, and its owner can revoke it again.
    /// Returns how many entries the list lacked.
    pub fn repeat_revocations(&self, known: Vec<Revocation>, audit_context: &AuditContext) -> Call<'_, u64> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| repeat(tx, &known, &audit_context).await))
    }

    /// When a node noticed that the database went back. `None`: it did not, or an operator has run
    /// `post-restore` since.
    pub fn went_back_at(&self) -> Call<'_, Option<Timestamp>> {
        Box::pin(self.read(async |tx| went_back_at(tx).await))
    }
}

async fn repeat(tx: &mut Tx<'_>, known: &[Revocation], audit_context: &AuditContext) -> Result<u64> {
    let mut repeated = 0;
    for revocation in known {
        if revocation::add(tx, *revocation).await? {
            take_access(tx, *revocation, audit_context).await?;
            repeated += 1;
        }
    }
    let is_marked = went_back_at(tx).await?.is_some();
    if !is_marked {
        setting::set_time(tx, MARK, audit_context.at).await?;
    }
    if repeated > 0 || !is_marked {
        let (action, detail) = (
            AuditAction::DatabaseWentBack,
            format!("{repeated} revocations repeated"),
        );
        audit::note(tx, audit_context, action, None, None, None, Some(&detail)).await?;
        housekeeping::announce(tx, audit_context.at, Change::Revocations).await?;
    }
    Ok(repeated)
}

/// Makes the row say what the entry says.
async fn take_access(tx: &mut Tx<'_>, revocation: Revocation, audit_context: &AuditContext) -> Result<()> {
    let Revocation {
        revoked,
        at: expires_at,
    } = revocation;
    match revoked {
        Revoked::Session(sid) => end_session(tx, sid, audit_context.at).await,
        Revoked::Key(key_id) => disable_key(tx, key_id, audit_context.at).await,
        Revoked::KeyExpiry(key_id) => expire_key(tx, key_id, expires_at, audit_context.at).await,
        Revoked::Account(uid) => disable_account(tx, uid, audit_context).await,
        Revoked::Everything => Ok(()),
    }
}

async fn end_session(tx: &mut Tx<'_>, sid: SessionId, at: Timestamp) -> Result<()> {
    for sql in [
        "UPDATE sessions SET ended_at = ?2, end_reason = ?3 WHERE sid = ?1 AND ended_at IS NULL",
        "UPDATE user_sessions SET ended_at = ?2, end_reason = ?3 WHERE sid = ?1 AND ended_at IS NULL",
    ] {
        tx.execute(sql, args![sid, at, EndReason::Revoked.as_str()])
            .await?;
    }
    Ok(())
}

async fn disable_key(tx: &mut Tx<'_>, key_id: KeyId, at: Timestamp) -> Result<()> {
    let sql = "UPDATE api_keys SET disabled_at = ?2, version = version + 1
        WHERE key_id = ?1 AND disabled_at IS NULL AND revoked_at IS NULL";
    tx.execute(sql, args![key_id, at]).await?;
    housekeeping::announce(tx, at, Change::Key(key_id)).await
}

async fn expire_key(tx: &mut Tx<'_>, key_id: KeyId, expires_at: Timestamp, at: Timestamp) -> Result<()> {
    let sql = "UPDATE api_keys SET expires_at = ?2, version = version + 1
        WHERE key_id = ?1 AND (expires_at IS NULL OR expires_at > ?2) AND revoked_at IS NULL";
    tx.execute(sql, args![key_id, expires_at]).await?;
    housekeeping::announce(tx, at, Change::Key(key_id)).await
}

async fn disable_account(tx: &mut Tx<'_>, uid: AccountId, audit_context: &AuditContext) -> Result<()> {
    account::set_disabled(tx, uid, Some(audit_context.at), audit_context)
        .await
        .map(drop)
}

async fn went_back_at(tx: &mut Tx<'_>) -> Result<Option<Timestamp>> {
    setting::time(tx, MARK).await
}

/// An operator has looked.
pub(super) async fn unmark(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute("DELETE FROM settings WHERE name = ?1", args![MARK])
        .await?;
    Ok(())
}
