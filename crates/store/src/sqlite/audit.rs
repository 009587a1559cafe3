//! The audit trail.

use rusqlite::{Connection, Row, params};
use tm_auth_proto::{AccountId, KeyId, SessionId};

use super::row::{Id, id, ms, parse, time};
use crate::{AuditEntry, Origin, Result};

/// Adds an entry within the transaction of what it is about.
pub(super) fn note(
    tx: &Connection,
    origin: &Origin,
    action: &'static str,
    uid: Option<AccountId>,
    key_id: Option<KeyId>,
    sid: Option<SessionId>,
    detail: Option<&str>,
) -> Result<()> {
    let detail = detail.map(ToOwned::to_owned);
    add(
        tx,
        &AuditEntry {
            origin: origin.clone(),
            action: action.into(),
            uid,
            key_id,
            sid,
            detail,
        },
    )
}

pub(super) fn add(tx: &Connection, entry: &AuditEntry) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO audit (at, action, actor, uid, key_id, sid, ip, request_id, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        ms(entry.origin.at),
        entry.action,
        entry.origin.actor,
        entry.uid.as_ref().map(Id::blob),
        entry.key_id.as_ref().map(Id::blob),
        entry.sid.as_ref().map(Id::blob),
        entry.origin.ip.map(|ip| ip.to_string()),
        entry.origin.request_id,
        entry.detail,
    ])?;
    Ok(())
}

pub(super) fn newest(db: &Connection, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>> {
    let mut statement = db.prepare_cached(
        "SELECT at, action, actor, uid, key_id, sid, ip, request_id, detail FROM audit
         WHERE ?1 IS NULL OR uid = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![uid.as_ref().map(Id::blob), limit], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<AuditEntry> {
    let opt_id = |column| row.get::<_, Option<Vec<u8>>>(column);
    Ok(AuditEntry {
        origin: Origin {
            at: time(row.get(0)?)?,
            actor: row.get(2)?,
            ip: row
                .get::<_, Option<String>>(6)?
                .map(|text| parse(&text))
                .transpose()?,
            request_id: row.get(7)?,
        },
        action: row.get::<_, String>(1)?.into(),
        uid: opt_id(3)?.map(|blob| id(&blob)).transpose()?,
        key_id: opt_id(4)?.map(|blob| id(&blob)).transpose()?,
        sid: opt_id(5)?.map(|blob| id(&blob)).transpose()?,
        detail: row.get(8)?,
    })
}
