//! A database that went back: a restored backup, or a standby that lacked the last commits.
//!
//! 1. A node notices that changes which it has seen are gone ([`crate::Changes::went_back`]).
//! 2. It writes back what its copy of the revocation list has and the database lacks
//!    ([`Store::repeat_revocations`]). This marks the database.
//! 3. Every node reads the mark ([`Store::went_back_at`]). `post-restore` removes it.

use jiff::Timestamp;

use super::{Outbox, Store, Tx, account, args, audit, housekeeping, repeat, revocation, setting};
use crate::{AuditAction, AuditContext, Call, Change, Result, Revocation, Revoked};

/// The setting that holds the mark.
const MARK: &str = "went_back_at";

impl Store {
    /// Marks the database as one that went back, and repeats these revocations. A session ends, an
    /// account or a key is disabled, and a key expires, unless the list has the entry already. A
    /// revoked key is only disabled, because the list does not tell the two apart, and its owner can
    /// revoke it again. Returns how many entries the list lacked.
    pub fn repeat_revocations(&self, known: Vec<Revocation>, audit_context: &AuditContext) -> Call<'_, u64> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| repeat_all(tx, &known, &audit_context, outbox).await))
    }

    /// When a node noticed that the database went back. `None`: it did not, or an operator has run
    /// `post-restore` since.
    pub fn went_back_at(&self) -> Call<'_, Option<Timestamp>> {
        Box::pin(self.read(async |tx| went_back_at(tx).await))
    }
}

async fn repeat_all(
    tx: &mut Tx<'_>,
    known: &[Revocation],
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<u64> {
    let mut repeated = 0;
    for revocation in known {
        if revocation::add(tx, *revocation).await? {
            take_access(tx, *revocation, audit_context, outbox).await?;
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

/// Makes the row say what the entry says. Audits it and tells the owner, as the first time.
async fn take_access(
    tx: &mut Tx<'_>,
    Revocation { revoked, at }: Revocation,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<()> {
    match revoked {
        Revoked::Session(sid) => repeat::end_session(tx, sid, audit_context).await.map(drop),
        Revoked::Key(key_id) => repeat::disable_key(tx, key_id, audit_context, outbox)
            .await
            .map(drop),
        Revoked::KeyExpiry(key_id) => repeat::expire_key(tx, key_id, at, audit_context, outbox).await,
        Revoked::Account(uid) => account::set_disabled(tx, uid, Some(audit_context.at), audit_context)
            .await
            .map(drop),
        Revoked::Everything => Ok(()),
    }
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
