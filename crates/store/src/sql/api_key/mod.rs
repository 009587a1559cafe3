//! API keys.

mod limits;
mod list;
mod row;

use jiff::Timestamp;
use tm_auth_core::api_key::reminder;
use tm_auth_core::api_key::setting::{KeySettings, SettingChange};
use tm_auth_core::registration::{ConfirmedKey, PENDING_LIFE};
use tm_auth_core::{ApiKey, Refusal};
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{AccountId, KeyId};

use super::row::damaged;
use super::{Outbox, Store, Tx, args, audit, housekeeping, revocation};
use crate::outbox::Notice;
use crate::{
    AuditAction, AuditContext, Call, Change, Changed, KeyChange, KeyLimits, KeyUse, NewApiKey, Result,
    Revocation, Revoked,
};

pub(super) use list::read_with_use;
pub(super) use row::get;
use row::join;
pub(crate) use row::{COLUMNS, FROM, read};

/// Whether a key is neither revoked nor expired at `?2`. Written as the columns of the index
/// `api_keys_live`: a key without expiry expires at the end of time.
pub(super) const LIVE: &str = "k.revoked_at IS NULL AND coalesce(k.expires_at, 9223372036854775807) > ?2";

impl Store {
    /// Returns a key with its account, in any state.
    pub fn api_key(&self, key_id: KeyId) -> Call<'_, Option<ApiKey>> {
        Box::pin(self.read(async move |tx| get(tx, key_id).await))
    }

    /// Registers a key. A public key is registered once only, even after a revocation. `limits`
    /// bound the account's live keys, its pending keys, and its registrations within 24 hours.
    pub fn register_key(
        &self,
        new: NewApiKey,
        limits: KeyLimits,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<ApiKey, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| register(tx, &new, limits, &audit_context, outbox).await))
    }

    /// Activates a pending key of this account, if it was registered less than 24 hours ago and the
    /// account has fewer than `max_live` live keys. A key that is already activated stays as it is.
    pub fn activate_key(
        &self,
        uid: AccountId,
        confirmed: ConfirmedKey,
        max_live: u32,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<ApiKey, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| {
            activate(tx, uid, confirmed.key_id(), max_live, &audit_context, outbox).await
        }))
    }

    /// Changes a live key of this account. After this disables the key, no new mint or refresh
    /// succeeds, and the key is on the revocation list until it is enabled. If this sets an expiry
    /// that tokens of the key could outlive, the key is on the revocation list from then on. A key
    /// that already is as the change asks stays as it is.
    pub fn update_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        change: KeyChange,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<Changed<ApiKey>, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| update(tx, uid, key_id, &change, &audit_context, outbox).await))
    }

    /// Revokes a key of this account. After this returns, no new mint or refresh succeeds, and the
    /// key is on the revocation list. A revoked key stays as it is.
    pub fn revoke_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<ApiKey, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| revoke(tx, uid, key_id, &audit_context, outbox).await))
    }

    /// Records the last use of keys. An older use never overwrites a newer one.
    pub fn record_use(&self, uses: Vec<KeyUse>) -> Call<'_, ()> {
        Box::pin(self.write_read_committed(async move |tx| record_use(tx, &uses).await))
    }
}

pub(super) async fn register(
    tx: &mut Tx<'_>,
    new: &NewApiKey,
    limits: KeyLimits,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<ApiKey, Refusal>> {
    let point = new.public_key.key().as_sec1().as_slice();
    let known = tx
        .exists("SELECT 1 FROM api_keys WHERE public_key = ?1", args![point])
        .await?;
    if known {
        return Ok(Err(Refusal::KeyAlreadyRegistered));
    }
    if let Err(refusal) = limits::check_live(tx, new.uid, new.active, limits.live, new.created_at).await? {
        return Ok(Err(refusal));
    }
    if let Err(refusal) = limits::check_registrations(tx, new.uid, limits, new.created_at).await? {
        return Ok(Err(refusal));
    }
    tx.execute(
        "INSERT INTO api_keys (key_id, uid, label, public_key, scopes, allowed_ips, created_at, activated_at, expires_at, reminded_days, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1)",
        args![
            new.key_id,
            new.uid,
            new.label,
            point,
            new.scopes.to_string(),
            join(&new.allowed_ips),
            new.created_at,
            new.active.then_some(new.created_at),
            new.expires_at,
            reminder::passed(new.expires_at, new.created_at),
        ],
    )
    .await?;
    audit::note(
        tx,
        audit_context,
        AuditAction::KeyRegistered,
        Some(new.uid),
        Some(new.key_id),
        None,
        None,
    )
    .await?;
    // The owner is told of a pending key when it is activated.
    let key = reread(tx, new.key_id).await?;
    if new.active {
        outbox.tell(tx, audit_context, new.uid, &created(&key)).await?;
    }
    Ok(Ok(key))
}

pub(super) async fn activate(
    tx: &mut Tx<'_>,
    uid: AccountId,
    key_id: KeyId,
    max_live: u32,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<ApiKey, Refusal>> {
    let key = match owned(tx, uid, key_id).await? {
        Ok(key) => key,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match key.status(audit_context.at) {
        ApiKeyStatus::Revoked | ApiKeyStatus::Expired => return Ok(Err(Refusal::KeyNotLive)),
        ApiKeyStatus::Active | ApiKeyStatus::Disabled => return Ok(Ok(key)),
        // Expired: the next sweep deletes it.
        ApiKeyStatus::Pending if key.created_at + PENDING_LIFE <= audit_context.at => {
            return Ok(Err(Refusal::KeyNotFound));
        }
        ApiKeyStatus::Pending => {}
    }
    if let Err(refusal) = limits::check_live(tx, uid, true, max_live, audit_context.at).await? {
        return Ok(Err(refusal));
    }
    tx.execute(
        "UPDATE api_keys SET activated_at = ?2, version = version + 1 WHERE key_id = ?1",
        args![key_id, audit_context.at],
    )
    .await?;
    audit::note(
        tx,
        audit_context,
        AuditAction::KeyActivated,
        Some(uid),
        Some(key_id),
        None,
        None,
    )
    .await?;
    outbox.tell(tx, audit_context, uid, &created(&key)).await?;
    housekeeping::announce(tx, audit_context.at, Change::Key(key_id)).await?;
    Ok(Ok(reread(tx, key_id).await?))
}

pub(super) async fn update(
    tx: &mut Tx<'_>,
    uid: AccountId,
    key_id: KeyId,
    change: &KeyChange,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<Changed<ApiKey>, Refusal>> {
    let key = match owned(tx, uid, key_id).await? {
        Ok(key) => key,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if matches!(
        key.status(audit_context.at),
        ApiKeyStatus::Revoked | ApiKeyStatus::Expired
    ) {
        return Ok(Err(Refusal::KeyNotLive));
    }
    let label = change.label.as_ref().unwrap_or(&key.label);
    let scopes = change.scopes.unwrap_or(key.scopes);
    let allowed_ips = change.allowed_ips.as_ref().unwrap_or(&key.allowed_ips);
    let end = change.expires_at.unwrap_or(key.expires_at);
    let disabled_at = match change.disabled {
        None => key.lifecycle.disabled_at(),
        Some(true) => key.lifecycle.disabled_at().or(Some(audit_context.at)),
        Some(false) => None,
    };
    let is_changed = (label, scopes, allowed_ips, stored(end), disabled_at)
        != (
            &key.label,
            key.scopes,
            &key.allowed_ips,
            key.expires_at,
            key.lifecycle.disabled_at(),
        );
    if !is_changed {
        return Ok(Ok(Changed { row: key, is_changed }));
    }
    tx.execute(
        "UPDATE api_keys SET label = ?2, scopes = ?3, allowed_ips = ?4, expires_at = ?5, version = version + 1,
            reminded_days = CASE WHEN ?6 = 1 THEN ?7 ELSE reminded_days END, disabled_at = ?8
         WHERE key_id = ?1",
        args![
            key_id,
            label,
            scopes.to_string(),
            join(allowed_ips),
            end,
            end != key.expires_at,
            reminder::passed(end, audit_context.at),
            disabled_at,
        ],
    )
    .await?;
    if stored(end) != key.expires_at {
        revocation::set_key_expiry(tx, key_id, end, audit_context.at).await?;
    }
    let action = match (key.lifecycle.disabled_at(), disabled_at) {
        (None, Some(_)) => {
            let revoked = Revoked::Key(key_id);
            revocation::add(
                tx,
                Revocation {
                    revoked,
                    at: audit_context.at,
                },
            )
            .await?;
            AuditAction::KeyDisabled
        }
        (Some(_), None) => {
            revocation::remove(tx, Revoked::Key(key_id)).await?;
            AuditAction::KeyEnabled
        }
        _ => AuditAction::KeyChanged,
    };
    let row = reread(tx, key_id).await?;
    let changes = SettingChange::between(&key, &row);
    let detail = serde_json::to_string(&changes).map_err(damaged)?;
    audit::note(
        tx,
        audit_context,
        action,
        Some(uid),
        Some(key_id),
        None,
        Some(&detail),
    )
    .await?;
    let label = row.label.clone();
    outbox
        .tell(tx, audit_context, uid, &Notice::KeyChanged { label, changes })
        .await?;
    housekeeping::announce(tx, audit_context.at, Change::Key(key_id)).await?;
    Ok(Ok(Changed { row, is_changed }))
}

pub(super) async fn revoke(
    tx: &mut Tx<'_>,
    uid: AccountId,
    key_id: KeyId,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<ApiKey, Refusal>> {
    let key = match owned(tx, uid, key_id).await? {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(key) if key.lifecycle.revoked_at().is_some() => return Ok(Ok(key)),
        Ok(key) => key,
    };
    tx.execute(
        "UPDATE api_keys SET revoked_at = ?2, version = version + 1 WHERE key_id = ?1",
        args![key_id, audit_context.at],
    )
    .await?;
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Key(key_id),
            at: audit_context.at,
        },
    )
    .await?;
    audit::note(
        tx,
        audit_context,
        AuditAction::KeyRevoked,
        Some(uid),
        Some(key_id),
        None,
        None,
    )
    .await?;
    let label = key.label;
    outbox
        .tell(tx, audit_context, uid, &Notice::KeyRevoked { label })
        .await?;
    housekeeping::announce(tx, audit_context.at, Change::Key(key_id)).await?;
    Ok(Ok(reread(tx, key_id).await?))
}

pub(super) async fn record_use(tx: &mut Tx<'_>, uses: &[KeyUse]) -> Result<()> {
    for usage in uses {
        tx.execute(
            "UPDATE api_keys SET last_used_at = ?2, last_used_ip = ?3
             WHERE key_id = ?1 AND (last_used_at IS NULL OR last_used_at <= ?2)",
            args![usage.key_id, usage.at, usage.ip.to_string()],
        )
        .await?;
    }
    Ok(())
}

/// A time as the database stores it.
fn stored(at: Option<Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok())
}

/// Returns the key if it belongs to the account, or else [`Refusal::KeyNotFound`].
async fn owned(tx: &mut Tx<'_>, uid: AccountId, key_id: KeyId) -> Result<Result<ApiKey, Refusal>> {
    Ok(get(tx, key_id)
        .await?
        .filter(|key| key.account.uid == uid)
        .ok_or(Refusal::KeyNotFound))
}

fn created(key: &ApiKey) -> Notice {
    Notice::KeyCreated {
        label: key.label.clone(),
        settings: Some(KeySettings::of(key)),
    }
}

async fn reread(tx: &mut Tx<'_>, key_id: KeyId) -> Result<ApiKey> {
    get(tx, key_id)
        .await?
        .ok_or_else(|| damaged("a key disappeared within its transaction"))
}
