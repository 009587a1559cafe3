//! Repeats changes that a restored backup lacks.

use jiff::Timestamp;
use tm_auth_core::session::EndReason;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{KeyId, SessionId};

use super::{
    Outbox, Store, Tx, account, api_key, audit, housekeeping, identity, revocation, session, user_session,
};
use crate::repeat::{LostChange, Repeated};
use crate::{AuditContext, AuditEntry, Call, Change, KeyChange, Result, Revocation, Revoked};

impl Store {
    /// Repeats a change that the log has, if the database lacks it. `at` is the time of the change.
    pub fn repeat(
        &self,
        lost: LostChange,
        at: Timestamp,
        audit_context: &AuditContext,
    ) -> Call<'_, Repeated> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| repeat(tx, lost, at, &audit_context, outbox).await))
    }

    /// Returns what operators did since this time, with the numbers of the entries. At most 1,000.
    pub fn operator_entries(&self, since: Timestamp) -> Call<'_, Vec<(i64, AuditEntry)>> {
        Box::pin(self.read(async move |tx| audit::by_operators(tx, since).await))
    }
}

async fn repeat(
    tx: &mut Tx<'_>,
    lost: LostChange,
    at: Timestamp,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Repeated> {
    let is_done = match lost {
        LostChange::KeyRevoked(key_id) => revoke_key(tx, key_id, audit_context, outbox).await?,
        LostChange::KeyDisabled(key_id) => disable_key(tx, key_id, audit_context, outbox).await?,
        LostChange::AccountDisabled(uid) => match account::get(tx, uid).await? {
            Some(account) if account.disabled_at.is_some() => Some(false),
            Some(_) => {
                account::set_disabled(tx, uid, Some(audit_context.at), audit_context).await?;
                Some(true)
            }
            None => None,
        },
        LostChange::AccountDeleted(uid) => match account::get(tx, uid).await? {
            Some(_) => Some(identity::delete(tx, uid, audit_context, outbox).await?),
            None => None,
        },
        LostChange::SessionEnded(sid) => end_session(tx, sid, audit_context).await?,
    };
    match is_done {
        Some(true) => Ok(Repeated::Done),
        Some(false) => Ok(Repeated::Known),
        None => list(tx, lost, at, audit_context).await,
    }
}

async fn revoke_key(
    tx: &mut Tx<'_>,
    key_id: KeyId,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Option<bool>> {
    match api_key::get(tx, key_id).await? {
        None => Ok(None),
        Some(key) if key.lifecycle.revoked_at().is_some() => Ok(Some(false)),
        Some(key) => {
            let revoked = api_key::revoke(tx, key.account.uid, key_id, audit_context, outbox).await?;
            Ok(Some(revoked.is_ok()))
        }
    }
}

/// `None`: the database does not know the key. `false`: nothing was left to do.
pub(super) async fn disable_key(
    tx: &mut Tx<'_>,
    key_id: KeyId,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Option<bool>> {
    let Some(key) = api_key::get(tx, key_id).await? else {
        return Ok(None);
    };
    let is_final = matches!(
        key.status(audit_context.at),
        ApiKeyStatus::Revoked | ApiKeyStatus::Expired
    );
    if is_final || key.lifecycle.disabled_at().is_some() {
        return Ok(Some(false));
    }
    let change = KeyChange {
        disabled: Some(true),
        ..KeyChange::default()
    };
    let changed = api_key::update(tx, key.account.uid, key_id, &change, audit_context, outbox).await?;
    Ok(Some(changed.is_ok()))
}

/// Makes the key expire at this time, unless it expires earlier.
pub(super) async fn expire_key(
    tx: &mut Tx<'_>,
    key_id: KeyId,
    at: Timestamp,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<()> {
    let Some(key) = api_key::get(tx, key_id).await? else {
        return Ok(());
    };
    if key.expires_at.is_some_and(|end| end <= at) {
        return Ok(());
    }
    let change = KeyChange {
        expires_at: Some(Some(at)),
        ..KeyChange::default()
    };
    let changed = api_key::update(tx, key.account.uid, key_id, &change, audit_context, outbox).await?;
    // Refused: the key is revoked.
    drop(changed);
    Ok(())
}

/// `None`: the database does not know the session. `false`: it had ended.
pub(super) async fn end_session(
    tx: &mut Tx<'_>,
    sid: SessionId,
    audit_context: &AuditContext,
) -> Result<Option<bool>> {
    if let Some(session) = session::get(tx, sid).await? {
        let is_live = session.ended.is_none();
        if is_live {
            session::end_found(tx, &session, audit_context).await?;
        }
        return Ok(Some(is_live));
    }
    let Some(session) = user_session::get(tx, sid).await? else {
        return Ok(None);
    };
    let is_live = session.ended.is_none();
    if is_live {
        user_session::end(tx, &session, EndReason::Revoked, audit_context).await?;
    }
    Ok(Some(is_live))
}

/// Puts the access tokens of what the database does not know on the revocation list.
async fn list(
    tx: &mut Tx<'_>,
    lost: LostChange,
    at: Timestamp,
    audit_context: &AuditContext,
) -> Result<Repeated> {
    let revoked = match lost {
        LostChange::KeyRevoked(key_id) | LostChange::KeyDisabled(key_id) => Revoked::Key(key_id),
        LostChange::AccountDisabled(uid) | LostChange::AccountDeleted(uid) => Revoked::Account(uid),
        LostChange::SessionEnded(sid) => Revoked::Session(sid),
    };
    if !revocation::add(tx, Revocation { revoked, at }).await? {
        return Ok(Repeated::Known);
    }
    housekeeping::announce(tx, audit_context.at, Change::Revocations).await?;
    Ok(Repeated::Listed)
}
