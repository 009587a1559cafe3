//! Entries of the revocation list.

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::token::access::MAX_TTL_SECONDS;
use tm_auth_proto::KeyId;

use super::row::damaged;
use super::{Columns, Store, Tx, args, audit, housekeeping};
use crate::{AuditAction, AuditContext, Call, Change, Result, Revocation, Revoked};

/// The longest time that an access token can still live, and two minutes because clocks differ.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_secs(MAX_TTL_SECONDS as i64 + 120);

impl Store {
    /// Returns the entries since this time, inclusive.
    pub fn revocations(&self, since: Timestamp) -> Call<'_, Vec<Revocation>> {
        Box::pin(self.read(async move |tx| after(tx, since).await))
    }

    /// Adds an entry to the list. It replaces an earlier entry for the same subject. An entry that
    /// the list has already changes nothing.
    pub fn revoke(&self, revocation: Revocation, audit_context: &AuditContext) -> Call<'_, ()> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| add_audited(tx, revocation, &audit_context).await))
    }
}

/// Adds an entry. `false`: the list has it already. The caller announces the change.
pub(super) async fn add(tx: &mut Tx<'_>, revocation: Revocation) -> Result<bool> {
    let (kind, subject) = columns(&revocation.revoked);
    let added = tx
        .execute(
            "INSERT INTO revocations (kind, subject, at) VALUES (?1, ?2, ?3)
             ON CONFLICT (kind, subject) DO UPDATE SET at = excluded.at WHERE excluded.at > revocations.at",
            args![kind, subject, revocation.at],
        )
        .await?;
    Ok(added == 1)
}

/// Removes an entry. The caller announces the change.
pub(super) async fn remove(tx: &mut Tx<'_>, revoked: Revoked) -> Result<()> {
    let (kind, subject) = columns(&revoked);
    tx.execute(
        "DELETE FROM revocations WHERE kind = ?1 AND subject = ?2",
        args![kind, subject],
    )
    .await?;
    Ok(())
}

/// Lists a key from its new expiry on, if tokens that it minted before can live longer. Replaces what
/// an earlier expiry left. The caller announces the change.
pub(super) async fn set_key_expiry(
    tx: &mut Tx<'_>,
    key_id: KeyId,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    let revoked = Revoked::KeyExpiry(key_id);
    remove(tx, revoked).await?;
    match expires_at {
        // The key's tokens may have been issued before an even earlier expiry was set, so the old
        // expiry does not count.
        Some(at) if at <= now + LONGEST_LIFE => add(tx, Revocation { revoked, at }).await.map(drop),
        _ => Ok(()),
    }
}

fn columns(revoked: &Revoked) -> (&'static str, &[u8]) {
    match revoked {
        Revoked::Session(sid) => ("session", sid.0.as_bytes()),
        Revoked::Key(key_id) => ("key", key_id.0.as_bytes()),
        Revoked::KeyExpiry(key_id) => ("key_expiry", key_id.0.as_bytes()),
        Revoked::Account(uid) => ("account", uid.0.as_bytes()),
        Revoked::Everything => ("everything", &[]),
    }
}

pub(super) async fn add_audited(
    tx: &mut Tx<'_>,
    revocation: Revocation,
    audit_context: &AuditContext,
) -> Result<()> {
    if !add(tx, revocation).await? {
        return Ok(());
    }
    let detail = format!("{:?}", revocation.revoked);
    audit::note(
        tx,
        audit_context,
        AuditAction::TokensRevoked,
        None,
        None,
        None,
        Some(&detail),
    )
    .await?;
    housekeeping::announce(tx, audit_context.at, Change::Revocations).await
}

async fn after(tx: &mut Tx<'_>, since: Timestamp) -> Result<Vec<Revocation>> {
    let sql = "SELECT at, kind, subject FROM revocations WHERE at >= ?1 ORDER BY at, kind, subject";
    tx.list(sql, args![since], read).await
}

pub(super) fn read(columns: &mut Columns<'_>) -> Result<Revocation> {
    let at = columns.next()?;
    let revoked = match columns.next()? {
        "session" => Revoked::Session(columns.next()?),
        "key" => Revoked::Key(columns.next()?),
        "key_expiry" => Revoked::KeyExpiry(columns.next()?),
        "account" => Revoked::Account(columns.next()?),
        "everything" => Revoked::Everything,
        other => return Err(damaged(format!("unknown kind of revocation {other}"))),
    };
    Ok(Revocation { revoked, at })
}
