//! API keys.

mod limits;
mod list;

use std::sync::LazyLock;

use ipnet::IpNet;
use jiff::Timestamp;
use tm_auth_core::api_key::reminder;
use tm_auth_core::registration::{ConfirmedKey, PENDING_LIFE};
use tm_auth_core::{ApiKey, Lifecycle, PublicKey, Refusal};
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{AccountId, KeyId, Scopes};

use super::row::{damaged, parse};
use super::{Columns, Store, Tx, account, args, audit, housekeeping, revocation};
use crate::{
    AuditAction, AuditContext, Call, Change, KeyChange, KeyLimits, KeyUse, NewApiKey, Result, Revocation,
    Revoked,
};

/// The columns that [`read`] reads: first those of the account, then those of the key.
pub(crate) const COLUMNS: &str = "a.uid, a.organization_id, a.email, a.created_at, a.disabled_at, a.version,
    k.key_id, k.label, k.public_key, k.scopes, k.allowed_ips, k.created_at, k.expires_at, k.activated_at, k.disabled_at,
    k.revoked_at, k.version";
pub(crate) const FROM: &str = "FROM api_keys k JOIN accounts a ON a.uid = k.uid";
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
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| register(tx, &new, limits, &audit_context).await))
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
        let audit_context = audit_context.clone();
        Box::pin(
            self.write(async move |tx| activate(tx, uid, confirmed.key_id(), max_live, &audit_context).await),
        )
    }

    /// Changes a live key of this account. After this disables the key, no new mint or refresh
    /// succeeds, and the key is on the revocation list until it is enabled.
    pub fn update_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        change: KeyChange,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<ApiKey, Refusal>> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| update(tx, uid, key_id, &change, &audit_context).await))
    }

    /// Revokes a key of this account. After this returns, no new mint or refresh succeeds, and the
    /// key is on the revocation list. A revoked key stays as it is.
    pub fn revoke_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<ApiKey, Refusal>> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| revoke(tx, uid, key_id, &audit_context).await))
    }

    /// Records the last use of keys. An older use never overwrites a newer one.
    pub fn record_use(&self, uses: Vec<KeyUse>) -> Call<'_, ()> {
        Box::pin(self.write_read_committed(async move |tx| record_use(tx, &uses).await))
    }
}

pub(super) async fn get(tx: &mut Tx<'_>, key_id: KeyId) -> Result<Option<ApiKey>> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("SELECT {COLUMNS} {FROM} WHERE k.key_id = ?1"));
    tx.find(&SQL, args![key_id], read).await
}

pub(super) async fn register(
    tx: &mut Tx<'_>,
    new: &NewApiKey,
    limits: KeyLimits,
    audit_context: &AuditContext,
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
    reread(tx, new.key_id).await
}

pub(super) async fn activate(
    tx: &mut Tx<'_>,
    uid: AccountId,
    key_id: KeyId,
    max_live: u32,
    audit_context: &AuditContext,
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
    housekeeping::announce(tx, audit_context.at, Change::Key(key_id)).await?;
    reread(tx, key_id).await
}

pub(super) async fn update(
    tx: &mut Tx<'_>,
    uid: AccountId,
    key_id: KeyId,
    change: &KeyChange,
    audit_context: &AuditContext,
) -> Result<Result<ApiKey, Refusal>> {
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
    let end = change.expires_at.unwrap_or(key.expires_at);
    let disabled_at = match change.disabled {
        None => key.lifecycle.disabled_at(),
        Some(true) => key.lifecycle.disabled_at().or(Some(audit_context.at)),
        Some(false) => None,
    };
    tx.execute(
        "UPDATE api_keys SET label = ?2, scopes = ?3, allowed_ips = ?4, expires_at = ?5, version = version + 1,
            reminded_days = CASE WHEN ?6 = 1 THEN ?7 ELSE reminded_days END, disabled_at = ?8
         WHERE key_id = ?1",
        args![
            key_id,
            change.label.as_ref().unwrap_or(&key.label),
            change.scopes.unwrap_or(key.scopes).to_string(),
            join(change.allowed_ips.as_ref().unwrap_or(&key.allowed_ips)),
            end,
            end != key.expires_at,
            reminder::passed(end, audit_context.at),
            disabled_at,
        ],
    )
    .await?;
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
    audit::note(tx, audit_context, action, Some(uid), Some(key_id), None, None).await?;
    housekeeping::announce(tx, audit_context.at, Change::Key(key_id)).await?;
    reread(tx, key_id).await
}

pub(super) async fn revoke(
    tx: &mut Tx<'_>,
    uid: AccountId,
    key_id: KeyId,
    audit_context: &AuditContext,
) -> Result<Result<ApiKey, Refusal>> {
    match owned(tx, uid, key_id).await? {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(key) if key.lifecycle.revoked_at().is_some() => return Ok(Ok(key)),
        Ok(_) => {}
    }
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
    housekeeping::announce(tx, audit_context.at, Change::Key(key_id)).await?;
    reread(tx, key_id).await
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

/// Returns the key if it belongs to the account, or else [`Refusal::KeyNotFound`].
async fn owned(tx: &mut Tx<'_>, uid: AccountId, key_id: KeyId) -> Result<Result<ApiKey, Refusal>> {
    Ok(get(tx, key_id)
        .await?
        .filter(|key| key.account.uid == uid)
        .ok_or(Refusal::KeyNotFound))
}

async fn reread(tx: &mut Tx<'_>, key_id: KeyId) -> Result<Result<ApiKey, Refusal>> {
    get(tx, key_id)
        .await?
        .map(Ok)
        .ok_or_else(|| damaged("a key disappeared within its transaction"))
}

/// Reads [`COLUMNS`].
pub(crate) fn read(columns: &mut Columns<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        account: account::read(columns)?,
        key_id: columns.next()?,
        label: columns.next()?,
        public_key: PublicKey::from_sec1(columns.next()?)
            .ok_or_else(|| damaged("a public key is not a point on the curve"))?,
        scopes: Scopes::from_claim(columns.next()?),
        allowed_ips: split(columns.next()?)?,
        created_at: columns.next()?,
        expires_at: columns.next()?,
        lifecycle: lifecycle(columns.next()?, columns.next()?, columns.next()?),
        version: columns.next()?,
    })
}

/// Derives the state from the columns of the same names. Each combination of them is possible: an
/// owner can disable or revoke a key that is still pending.
fn lifecycle(
    activated_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
) -> Lifecycle {
    match (revoked_at, activated_at, disabled_at) {
        (Some(revoked_at), _, disabled_at) => Lifecycle::Revoked {
            revoked_at,
            disabled_at,
        },
        (None, None, disabled_at) => Lifecycle::Pending { disabled_at },
        (None, Some(activated_at), None) => Lifecycle::Active { activated_at },
        (None, Some(activated_at), Some(disabled_at)) => Lifecycle::Disabled {
            activated_at,
            disabled_at,
        },
    }
}

fn join(networks: &[IpNet]) -> String {
    networks
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn split(text: &str) -> Result<Vec<IpNet>> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(parse)
        .collect()
}
