//! The revocation list's entries.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::row::{Id, damaged, id, ms, time};
use super::{audit, housekeeping};
use crate::{Change, Origin, Result, Revocation, Revoked};

/// Adds an entry. Whoever calls this announces the change.
pub(super) fn add(tx: &Connection, revocation: Revocation) -> Result<()> {
    let (kind, subject) = row(&revocation.revoked);
    tx.prepare_cached(
        "INSERT INTO revocations (kind, subject, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (kind, subject) DO UPDATE SET at = max(at, excluded.at)",
    )?
    .execute(params![kind, subject, ms(revocation.at)])?;
    Ok(())
}

/// Takes an entry back. Whoever calls this announces the change.
pub(super) fn remove(tx: &Connection, revoked: Revoked) -> Result<()> {
    let (kind, subject) = row(&revoked);
    tx.prepare_cached("DELETE FROM revocations WHERE kind = ?1 AND subject = ?2")?
        .execute(params![kind, subject])?;
    Ok(())
}

fn row(revoked: &Revoked) -> (&'static str, &[u8]) {
    match revoked {
        Revoked::Session(sid) => ("session", sid.blob()),
        Revoked::Key(key_id) => ("key", key_id.blob()),
        Revoked::Account(uid) => ("account", uid.blob()),
        Revoked::Everything => ("everything", &[]),
    }
}

pub(super) fn add_audited(tx: &Connection, revocation: Revocation, origin: &Origin) -> Result<()> {
    add(tx, revocation)?;
    audit::note(
        tx,
        origin,
        "tokens_revoked",
        None,
        None,
        None,
        Some(&format!("{:?}", revocation.revoked)),
    )?;
    housekeeping::announce(tx, origin.at, Change::Revocations)
}

pub(super) fn since(db: &Connection, since: Timestamp) -> Result<Vec<Revocation>> {
    let mut statement = db.prepare_cached(
        "SELECT kind, subject, at FROM revocations WHERE at >= ?1 ORDER BY at, kind, subject",
    )?;
    let rows = statement.query_map([ms(since)], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<Revocation> {
    let kind: String = row.get(0)?;
    let subject: Vec<u8> = row.get(1)?;
    let revoked = match kind.as_str() {
        "session" => Revoked::Session(id(&subject)?),
        "key" => Revoked::Key(id(&subject)?),
        "account" => Revoked::Account(id(&subject)?),
        "everything" => Revoked::Everything,
        other => return Err(damaged(format!("a revocation of a {other}"))),
    };
    Ok(Revocation {
        revoked,
        at: time(row.get(2)?)?,
    })
}
