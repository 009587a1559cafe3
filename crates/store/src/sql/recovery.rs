//! Recoveries.

use jiff::Timestamp;
use tm_auth_core::Refusal;
use tm_auth_core::recovery::{Recovery, Stage};
use tm_auth_proto::AccountId;

use super::{Outbox, Store, Tx, args, audit};
use crate::outbox::Notice;
use crate::{AuditAction, AuditContext, Call, Result};

impl Store {
    /// Starts a recovery for an account that has a passkey. Does not change a pending one, so that
    /// a repeated request never moves its end. Replaces a lapsed one. Returns the recovery and
    /// whether it was started now.
    pub fn start_recovery(
        &self,
        new: Recovery,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<(Recovery, bool), Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| start(tx, &new, &audit_context, outbox).await))
    }

    /// Returns the recovery of an account, in any state.
    pub fn recovery(&self, uid: AccountId) -> Call<'_, Option<Recovery>> {
        Box::pin(self.read(async move |tx| get(tx, uid).await))
    }

    /// Cancels the recovery of an account. `false`: there was none, or it had lapsed.
    pub fn cancel_recovery(&self, uid: AccountId, audit_context: &AuditContext) -> Call<'_, bool> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| cancel(tx, uid, &audit_context, outbox).await))
    }
}

async fn start(
    tx: &mut Tx<'_>,
    new: &Recovery,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<(Recovery, bool), Refusal>> {
    let has_passkey = tx
        .exists("SELECT 1 FROM passkeys WHERE uid = ?1", args![new.uid])
        .await?;
    if !has_passkey {
        return Ok(Err(Refusal::NothingToRecover));
    }
    if let Some(there) = get(tx, new.uid).await?
        && there.stage(new.started_at) != Stage::Lapsed
    {
        return Ok(Ok((there, false)));
    }
    tx.execute(
        "INSERT INTO recoveries (uid, started_at, ready_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (uid) DO UPDATE SET started_at = excluded.started_at, ready_at = excluded.ready_at",
        args![new.uid, new.started_at, new.ready_at],
    )
    .await?;
    let detail = format!("ready_at={}", new.ready_at);
    audit::note(
        tx,
        audit_context,
        AuditAction::RecoveryStarted,
        Some(new.uid),
        None,
        None,
        Some(&detail),
    )
    .await?;
    let ready_at = new.ready_at;
    outbox
        .tell(tx, audit_context, new.uid, &Notice::RecoveryStarted { ready_at })
        .await?;
    Ok(Ok((*new, true)))
}

async fn get(tx: &mut Tx<'_>, uid: AccountId) -> Result<Option<Recovery>> {
    let sql = "SELECT started_at, ready_at FROM recoveries WHERE uid = ?1";
    tx.find(sql, args![uid], |columns| {
        Ok(Recovery {
            uid,
            started_at: columns.next()?,
            ready_at: columns.next()?,
        })
    })
    .await
}

/// Whether the waiting time is over and the recovery has not lapsed.
pub(super) async fn is_ready(tx: &mut Tx<'_>, uid: AccountId, now: Timestamp) -> Result<bool> {
    Ok(get(tx, uid)
        .await?
        .is_some_and(|recovery| recovery.stage(now) == Stage::Ready))
}

/// Cancels the recovery. `false`: there was none, or it had lapsed.
pub(super) async fn cancel(
    tx: &mut Tx<'_>,
    uid: AccountId,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<bool> {
    let (action, notice) = (AuditAction::RecoveryCancelled, Notice::RecoveryCancelled);
    end(tx, uid, action, &notice, audit_context, outbox).await
}

/// Completes the recovery. `false`: there was none, or it had lapsed.
pub(super) async fn complete(
    tx: &mut Tx<'_>,
    uid: AccountId,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<bool> {
    let (action, notice) = (AuditAction::RecoveryCompleted, Notice::RecoveryCompleted);
    end(tx, uid, action, &notice, audit_context, outbox).await
}

/// Deletes the recovery, audits `action` and tells the owner.
async fn end(
    tx: &mut Tx<'_>,
    uid: AccountId,
    action: AuditAction,
    notice: &Notice,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<bool> {
    let there = get(tx, uid).await?;
    tx.execute("DELETE FROM recoveries WHERE uid = ?1", args![uid])
        .await?;
    // Deleting a lapsed recovery is neither audited nor told.
    let ended = there.is_some_and(|recovery| recovery.stage(audit_context.at) != Stage::Lapsed);
    if ended {
        audit::note(tx, audit_context, action, Some(uid), None, None, None).await?;
        outbox.tell(tx, audit_context, uid, notice).await?;
    }
    Ok(ended)
}
