//! API keys.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tm_auth_core::api_key::reminder;
use tm_auth_core::registration::PENDING_LIFE;
use tm_auth_core::{ApiKey, PublicKey, Refusal};
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_proto::{AccountId, KeyId, Scopes};

use super::row::{Id, damaged, id, ms, opt_ms, opt_time, parse, time};
use super::{account, audit, housekeeping, revocation};
use crate::{Change, KeyChange, KeyUse, NewApiKey, Origin, Result, Revocation, Revoked};

/// The account's six columns come first, then the key's.
pub(super) const COLUMNS: &str = "a.uid, a.organization_id, a.email, a.created_at, a.disabled_at, a.version,
    k.key_id, k.label, k.public_key, k.scopes, k.allowed_ips, k.created_at, k.activated_at, k.expires_at, k.revoked_at,
    k.version, k.last_used_at, k.last_used_ip, k.disabled_at";
pub(super) const FROM: &str = "FROM api_keys k JOIN accounts a ON a.uid = k.uid";

pub(super) fn get(db: &Connection, key_id: KeyId) -> Result<Option<ApiKey>> {
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE k.key_id = ?1");
    db.prepare_cached(&sql)?
        .query_row([key_id.blob()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

pub(super) fn of_account(db: &Connection, uid: AccountId) -> Result<Vec<(ApiKey, Option<KeyUse>)>> {
    let sql = format!("SELECT {COLUMNS} {FROM} WHERE k.uid = ?1 ORDER BY k.created_at DESC, k.key_id");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([uid.blob()], |row| {
        Ok(read(row).and_then(|key| Ok((read_use(row, key.key_id)?, key))))
    })?;
    rows.map(|row| row?.map(|(usage, key)| (key, usage))).collect()
}

pub(super) fn register(
    tx: &Connection,
    new: &NewApiKey,
    max_live: u32,
    origin: &Origin,
) -> Result<Result<ApiKey, Refusal>> {
    let point = new.public_key.key().as_sec1().as_slice();
    let known = tx
        .prepare_cached("SELECT 1 FROM api_keys WHERE public_key = ?1")?
        .exists([point])?;
    if known {
        return Ok(Err(Refusal::KeyAlreadyRegistered));
    }
    if count(tx, new.uid, new.active, new.created_at)? >= max_live {
        return Ok(Err(Refusal::KeyLimitReached { limit: max_live }));
    }
    tx.prepare_cached(
        "INSERT INTO api_keys (key_id, uid, label, public_key, scopes, allowed_ips, created_at, activated_at, expires_at, reminded_days, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1)",
    )?
    .execute(params![
        new.key_id.blob(),
        new.uid.blob(),
        new.label,
        point,
        new.scopes.to_string(),
        join(&new.allowed_ips),
        ms(new.created_at),
        new.active.then_some(ms(new.created_at)),
        opt_ms(new.expires_at),
        reminder::passed(new.expires_at, new.created_at),
    ])?;
    audit::note(
        tx,
        origin,
        "key_registered",
        Some(new.uid),
        Some(new.key_id),
        None,
        None,
    )?;
    reread(tx, new.key_id)
}

pub(super) fn activate(
    tx: &Connection,
    uid: AccountId,
    key_id: KeyId,
    max_live: u32,
    origin: &Origin,
) -> Result<Result<ApiKey, Refusal>> {
    let key = match owned(tx, uid, key_id)? {
        Ok(key) => key,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match key.status(origin.at) {
        ApiKeyStatus::Revoked | ApiKeyStatus::Expired => return Ok(Err(Refusal::KeyNotLive)),
        ApiKeyStatus::Active | ApiKeyStatus::Disabled => return Ok(Ok(key)),
        // The sweep is about to take it.
        ApiKeyStatus::Pending if key.created_at + PENDING_LIFE <= origin.at => {
            return Ok(Err(Refusal::KeyNotFound));
        }
        ApiKeyStatus::Pending => {}
    }
    if count(tx, uid, true, origin.at)? >= max_live {
        return Ok(Err(Refusal::KeyLimitReached { limit: max_live }));
    }
    tx.prepare_cached("UPDATE api_keys SET activated_at = ?2, version = version + 1 WHERE key_id = ?1")?
        .execute(params![key_id.blob(), ms(origin.at)])?;
    audit::note(tx, origin, "key_activated", Some(uid), Some(key_id), None, None)?;
    housekeeping::announce(tx, origin.at, Change::Key(key_id))?;
    reread(tx, key_id)
}

pub(super) fn update(
    tx: &Connection,
    uid: AccountId,
    key_id: KeyId,
    change: &KeyChange,
    origin: &Origin,
) -> Result<Result<ApiKey, Refusal>> {
    let key = match owned(tx, uid, key_id)? {
        Ok(key) => key,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if matches!(
        key.status(origin.at),
        ApiKeyStatus::Revoked | ApiKeyStatus::Expired
    ) {
        return Ok(Err(Refusal::KeyNotLive));
    }
    let end = change.expires_at.unwrap_or(key.expires_at);
    let disabled_at = match change.disabled {
        None => key.disabled_at,
        Some(true) => key.disabled_at.or(Some(origin.at)),
        Some(false) => None,
    };
    tx.prepare_cached(
        "UPDATE api_keys SET label = ?2, scopes = ?3, allowed_ips = ?4, expires_at = ?5, version = version + 1,
            reminded_days = CASE WHEN ?6 THEN ?7 ELSE reminded_days END, disabled_at = ?8
         WHERE key_id = ?1",
    )?
    .execute(params![
        key_id.blob(),
        change.label.as_ref().unwrap_or(&key.label),
        change.scopes.unwrap_or(key.scopes).to_string(),
        join(change.allowed_ips.as_ref().unwrap_or(&key.allowed_ips)),
        opt_ms(end),
        end != key.expires_at,
        reminder::passed(end, origin.at),
        opt_ms(disabled_at),
    ])?;
    let action = match (key.disabled_at, disabled_at) {
        (None, Some(_)) => {
            let revoked = Revoked::Key(key_id);
            revocation::add(
                tx,
                Revocation {
                    revoked,
                    at: origin.at,
                },
            )?;
            "key_disabled"
        }
        (Some(_), None) => {
            revocation::remove(tx, Revoked::Key(key_id))?;
            "key_enabled"
        }
        _ => "key_changed",
    };
    audit::note(tx, origin, action, Some(uid), Some(key_id), None, None)?;
    housekeeping::announce(tx, origin.at, Change::Key(key_id))?;
    reread(tx, key_id)
}

pub(super) fn revoke(
    tx: &Connection,
    uid: AccountId,
    key_id: KeyId,
    origin: &Origin,
) -> Result<Result<ApiKey, Refusal>> {
    match owned(tx, uid, key_id)? {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(key) if key.revoked_at.is_some() => return Ok(Ok(key)),
        Ok(_) => {}
    }
    tx.prepare_cached("UPDATE api_keys SET revoked_at = ?2, version = version + 1 WHERE key_id = ?1")?
        .execute(params![key_id.blob(), ms(origin.at)])?;
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Key(key_id),
            at: origin.at,
        },
    )?;
    audit::note(tx, origin, "key_revoked", Some(uid), Some(key_id), None, None)?;
    housekeeping::announce(tx, origin.at, Change::Key(key_id))?;
    reread(tx, key_id)
}

pub(super) fn record_use(tx: &Connection, uses: &[KeyUse]) -> Result<()> {
    let mut statement = tx.prepare_cached(
        "UPDATE api_keys SET last_used_at = ?2, last_used_ip = ?3
         WHERE key_id = ?1 AND (last_used_at IS NULL OR last_used_at <= ?2)",
    )?;
    for usage in uses {
        statement.execute(params![usage.key_id.blob(), ms(usage.at), usage.ip.to_string()])?;
    }
    Ok(())
}

/// The account's keys that are live at `now`, or pending.
fn count(tx: &Connection, uid: AccountId, active: bool, now: Timestamp) -> Result<u32> {
    let sql = "SELECT count(*) FROM api_keys
         WHERE uid = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2) AND (activated_at IS NOT NULL) = ?3";
    Ok(tx
        .prepare_cached(sql)?
        .query_row(params![uid.blob(), ms(now), active], |row| row.get(0))?)
}

/// The key, if it belongs to the account. Another account's key is not found, like one that does not exist.
fn owned(tx: &Connection, uid: AccountId, key_id: KeyId) -> Result<Result<ApiKey, Refusal>> {
    Ok(get(tx, key_id)?
        .filter(|key| key.account.uid == uid)
        .ok_or(Refusal::KeyNotFound))
}

fn reread(tx: &Connection, key_id: KeyId) -> Result<Result<ApiKey, Refusal>> {
    get(tx, key_id)?
        .map(Ok)
        .ok_or_else(|| damaged("a key vanished within its transaction"))
}

pub(super) fn read(row: &Row<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        account: account::read(row, 0)?,
        key_id: id(&row.get::<_, Vec<u8>>(6)?)?,
        label: row.get(7)?,
        public_key: PublicKey::from_sec1(&row.get::<_, Vec<u8>>(8)?)
            .ok_or_else(|| damaged("a public key is off the curve"))?,
        scopes: Scopes::from_claim(&row.get::<_, String>(9)?),
        allowed_ips: split(&row.get::<_, String>(10)?)?,
        created_at: time(row.get(11)?)?,
        activated_at: opt_time(row.get(12)?)?,
        expires_at: opt_time(row.get(13)?)?,
        disabled_at: opt_time(row.get(18)?)?,
        revoked_at: opt_time(row.get(14)?)?,
        version: row.get(15)?,
    })
}

fn read_use(row: &Row<'_>, key_id: KeyId) -> Result<Option<KeyUse>> {
    let at: Option<Timestamp> = opt_time(row.get(16)?)?;
    let ip: Option<String> = row.get(17)?;
    match (at, ip) {
        (Some(at), Some(ip)) => Ok(Some(KeyUse {
            key_id,
            at,
            ip: parse::<IpAddr>(&ip)?,
        })),
        _ => Ok(None),
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
