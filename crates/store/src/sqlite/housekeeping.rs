//! Changes, retention, backup and recovery.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

use tm_auth_core::one_time_code::rules;

use super::row::{Id, damaged, id, ms};
use super::{audit, person_session, schema, session};
use crate::{Change, Changes, Origin, Result, Retention, StoreError, Swept};

/// A write: an answer proves that the disk takes them, not only that rows are cached. It counts, since SQLite
/// leaves a page alone that a write would not change.
pub(super) fn ping(tx: &Connection) -> Result<()> {
    let sql = "INSERT INTO settings (name, value) VALUES ('ping', '1')
        ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)";
    tx.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Tells the other nodes.
pub(super) fn announce(tx: &Connection, at: Timestamp, change: Change) -> Result<()> {
    let (kind, subject): (&str, &[u8]) = match &change {
        Change::Key(key_id) => ("key", key_id.blob()),
        Change::Account(uid) => ("account", uid.blob()),
        Change::ServiceKeys => ("service_keys", &[]),
        Change::Revocations => ("revocations", &[]),
    };
    tx.prepare_cached("INSERT INTO changes (at, kind, subject) VALUES (?1, ?2, ?3)")?
        .execute(params![ms(at), kind, subject])?;
    Ok(())
}

pub(super) fn changes(db: &Connection, after: i64) -> Result<Changes> {
    let mut statement =
        db.prepare_cached("SELECT seq, kind, subject FROM changes WHERE seq > ?1 ORDER BY seq LIMIT 10000")?;
    let mut rows = statement.query([after])?;
    let (mut latest, mut found, mut gap) = (after, Vec::new(), false);
    while let Some(row) = rows.next()? {
        let (seq, kind, subject): (i64, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        gap |= seq != latest + 1;
        latest = seq;
        found.push(match kind.as_str() {
            "key" => Change::Key(id(&subject)?),
            "account" => Change::Account(id(&subject)?),
            "service_keys" => Change::ServiceKeys,
            "revocations" => Change::Revocations,
            other => return Err(damaged(format!("a change of {other}"))),
        });
    }
    Ok(Changes {
        latest,
        changes: (!gap).then_some(found),
    })
}

pub(super) fn sweep(
    tx: &Connection,
    now: Timestamp,
    keep: &Retention,
    after: Option<Vec<u8>>,
) -> Result<(Swept, Option<Vec<u8>>)> {
    let batch = i64::from(keep.batch);
    let delete = |sql: &str, before: Timestamp| -> Result<u64> {
        Ok(tx.prepare_cached(sql)?.execute(params![ms(before), batch])? as u64)
    };
    // Numbers of changes only grow and none is skipped, so what is left behind the newest is enough to see a gap.
    let counts = [
        delete(
            "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE at < ?1 AND seq < (SELECT max(seq) FROM changes) ORDER BY seq LIMIT ?2)",
            now - keep.change,
        )?,
        delete(
            "DELETE FROM revocations WHERE (kind, subject) IN (SELECT kind, subject FROM revocations WHERE at < ?1 LIMIT ?2)",
            now - keep.revocation,
        )?,
        delete(
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY id LIMIT ?2)",
            now - keep.audit,
        )?,
        delete(
            "DELETE FROM api_keys WHERE key_id IN (SELECT key_id FROM api_keys WHERE activated_at IS NULL AND revoked_at IS NULL AND created_at < ?1 LIMIT ?2)",
            now - keep.pending_key,
        )?,
        delete(
            "DELETE FROM key_refusals WHERE (key_id, code, ip) IN (SELECT key_id, code, ip FROM key_refusals WHERE last_at < ?1 ORDER BY last_at LIMIT ?2)",
            now - keep.session,
        )?,
        delete(
            "DELETE FROM person_sessions WHERE sid IN (SELECT sid FROM person_sessions WHERE ended_at < ?1 OR expires_at < ?1 LIMIT ?2)",
            now - keep.session,
        )?,
        delete(
            "DELETE FROM ceremonies WHERE id_hash IN (SELECT id_hash FROM ceremonies WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
            now,
        )?,
        delete(
            "DELETE FROM sign_in_codes WHERE flow_id IN (SELECT flow_id FROM sign_in_codes WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
            now - keep.code,
        )?,
        delete(
            "DELETE FROM code_events WHERE id IN (SELECT id FROM code_events WHERE at < ?1 ORDER BY id LIMIT ?2)",
            now - rules::DAY,
        )?,
        delete(
            "DELETE FROM sign_in_networks WHERE (uid, network) IN (SELECT uid, network FROM sign_in_networks WHERE last_at < ?1 LIMIT ?2)",
            now - keep.network,
        )?,
        delete(
            "DELETE FROM released_addresses WHERE email IN (SELECT email FROM released_addresses WHERE until < ?1 LIMIT ?2)",
            now,
        )?,
    ];
    let (sessions, position) = sweep_sessions(tx, now, keep, after)?;
    let deleted = counts.iter().sum::<u64>() + sessions;
    let more = counts.iter().any(|count| *count == u64::from(keep.batch)) || position.is_some();
    Ok((Swept { deleted, more }, position))
}

/// Walks the sessions in the order of their ids, a batch per sweep: no index on the hot path pays for this.
/// Returns where the next sweep goes on, `None` at the end of the table.
fn sweep_sessions(
    tx: &Connection,
    now: Timestamp,
    keep: &Retention,
    after: Option<Vec<u8>>,
) -> Result<(u64, Option<Vec<u8>>)> {
    let after = after.unwrap_or_default();
    let last: Option<Vec<u8>> = tx
        .prepare_cached(
            "SELECT max(sid) FROM (SELECT sid FROM sessions WHERE sid > ?1 ORDER BY sid LIMIT ?2)",
        )?
        .query_row(params![after, keep.batch], |row| row.get(0))?;
    let Some(last) = last else { return Ok((0, None)) };
    let deleted = tx
        .prepare_cached(
            "DELETE FROM sessions WHERE sid > ?1 AND sid <= ?2 AND challenge_at < ?3
             AND (ended_at < ?4 OR expires_at < ?4 OR rotated_at < ?5)",
        )?
        .execute(params![
            after,
            last,
            ms(now - keep.challenge),
            ms(now - keep.session),
            ms(now - keep.session - keep.session_idle),
        ])?;
    Ok((deleted as u64, Some(last)))
}

/// Copies page by page with SQLite's online backup, so the service goes on. The copy is checked.
pub(super) fn backup(source: &Path, target: &Path) -> Result<()> {
    if target.exists() {
        return Err(StoreError::Unusable(format!(
            "{} exists already",
            target.display()
        )));
    }
    super::lock::create_private(target)?;
    let source = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    source.busy_timeout(Duration::from_secs(5))?;
    let mut copy = Connection::open(target)?;
    // All pages in one step: under WAL this reads one snapshot and never starts over.
    rusqlite::backup::Backup::new(&source, &mut copy)?.step(-1)?;
    let check: String = copy.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if check == "ok" {
        Ok(())
    } else {
        Err(StoreError::Damaged(format!("the copy fails its check: {check}")))
    }
}

pub(super) fn mark_recovered(
    tx: &Connection,
    at: Timestamp,
    end_sessions: bool,
    origin: &Origin,
) -> Result<u64> {
    schema::set_setting(tx, "recovered_at", &ms(at).to_string())?;
    let ended = if end_sessions {
        session::end_all(tx, origin)? + person_session::end_everybodys(tx, origin)?
    } else {
        0
    };
    audit::note(
        tx,
        origin,
        "database_recovered",
        None,
        None,
        None,
        Some(&format!("{ended} sessions ended")),
    )?;
    announce(tx, origin.at, Change::Revocations)?;
    announce(tx, origin.at, Change::ServiceKeys)?;
    Ok(ended)
}
