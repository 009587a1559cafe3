//! Sessions: the hot path. One insert per mint, one update per refresh.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tm_auth_core::Refusal;
use tm_auth_core::rotation::{Decision, Line, decide};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::session::{EndReason, NewSession, Session};
use tm_auth_core::token::refresh::Presented;
use tm_auth_proto::SessionId;

use super::row::{Id, bytes, damaged, id, ms, opt_time, time};
use super::{api_key, audit, housekeeping, revocation, schema};
use crate::{OpenOutcome, Origin, Result, Revocation, Revoked, Rotated, Rotation, RotationKind};

/// Inserts unless key or account are not as they were at the decision. No mint that begins after a
/// revocation was acknowledged gets past this, whatever a cache said.
const OPEN: &str = "INSERT INTO sessions (sid, key_id, secret_hash, open_nonce, mac_kid, current, rotated_at, reissues,
        challenge_at, opened_at, expires_at)
    SELECT ?1, ?2, ?3, ?4, ?5, 0, ?6, 0, ?7, ?6, ?8
    WHERE EXISTS (
        SELECT 1 FROM api_keys k JOIN accounts a ON a.uid = k.uid
        WHERE k.key_id = ?2 AND k.version = ?9 AND a.version = ?10 AND k.revoked_at IS NULL AND k.disabled_at IS NULL
          AND a.disabled_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM settings WHERE name = 'recovered_at' AND CAST(value AS INTEGER) > ?7)
    ON CONFLICT (sid) DO NOTHING";

pub(super) fn open(tx: &Connection, new: &NewSession) -> Result<OpenOutcome> {
    let inserted = tx.prepare_cached(OPEN)?.execute(params![
        new.sid.blob(),
        new.key_id.blob(),
        new.secret_hash.0,
        new.open_nonce,
        new.mac_kid,
        ms(new.opened_at),
        ms(new.challenge_at),
        ms(new.expires_at),
        new.key_version,
        new.account_version,
    ])?;
    if inserted == 1 {
        return Ok(OpenOutcome::Opened);
    }
    let nonce: Option<Vec<u8>> = tx
        .prepare_cached("SELECT open_nonce FROM sessions WHERE sid = ?1")?
        .query_row([new.sid.blob()], |row| row.get(0))
        .optional()?;
    Ok(match nonce {
        Some(nonce) if nonce == new.open_nonce => OpenOutcome::Opened,
        Some(_) => OpenOutcome::Replayed,
        None if recovered_after(tx, new.challenge_at)? => OpenOutcome::BeforeRecovery,
        None => OpenOutcome::Changed,
    })
}

fn recovered_after(tx: &Connection, challenge_at: Timestamp) -> Result<bool> {
    let recovered_at = schema::setting(tx, "recovered_at")?
        .map(|text| text.parse::<i64>().map_err(damaged))
        .transpose()?;
    Ok(recovered_at.is_some_and(|at| at > ms(challenge_at)))
}

pub(super) fn rotate(tx: &Connection, rotation: &Rotation) -> Result<Result<Rotated, Refusal>> {
    let presented = &rotation.presented;
    let Some(mut session) = get(tx, presented.sid)? else {
        return Ok(Err(Refusal::SessionExpired));
    };
    if !session.secret_hash.matches(&presented.secret) {
        return Ok(Err(Refusal::InvalidRefreshToken));
    }
    let Some(key) = api_key::get(tx, session.key_id)? else {
        return Ok(Err(Refusal::SessionExpired));
    };
    if let Err(refusal) = session.permit(&key, rotation.address, &rotation.lives, rotation.now) {
        return Ok(Err(refusal));
    }
    let kind = match decide(
        &session.line,
        presented.counter,
        rotation.now,
        rotation.lives.same_successor,
    ) {
        Decision::Rotate { next, fast_forward } => {
            advance(tx, &mut session, next, &rotation.mac_kid)?;
            if fast_forward {
                note(
                    tx,
                    &session,
                    &key.account.uid,
                    &rotation.origin,
                    "session_fast_forwarded",
                )?;
                RotationKind::FastForwarded
            } else {
                RotationKind::Rotated
            }
        }
        Decision::Repeat => RotationKind::Repeated,
        Decision::Reissue { next } => {
            advance(tx, &mut session, next, &rotation.mac_kid)?;
            RotationKind::Reissued
        }
        Decision::Superseded => return Ok(Err(Refusal::RefreshSuperseded)),
        Decision::Reuse => {
            finish(tx, &session, EndReason::Reused, &rotation.origin)?;
            note(tx, &session, &key.account.uid, &rotation.origin, "refresh_reused")?;
            return Ok(Err(Refusal::RefreshReused));
        }
    };
    Ok(Ok(Rotated { session, key, kind }))
}

pub(super) fn end(tx: &Connection, presented: &Presented, origin: &Origin) -> Result<bool> {
    let live = get(tx, presented.sid)?
        .filter(|session| session.ended.is_none() && session.secret_hash.matches(&presented.secret));
    let Some(session) = live else { return Ok(false) };
    finish(tx, &session, EndReason::Revoked, origin)?;
    let uid = api_key::get(tx, session.key_id)?.map(|key| key.account.uid);
    audit::note(
        tx,
        origin,
        "session_revoked",
        uid,
        Some(session.key_id),
        Some(session.sid),
        None,
    )?;
    Ok(true)
}

/// Ends every session that is not over. Returns how many.
pub(super) fn end_all(tx: &Connection, origin: &Origin) -> Result<u64> {
    let ended = tx
        .prepare_cached(
            "UPDATE sessions SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL AND expires_at > ?1",
        )?
        .execute(params![ms(origin.at), EndReason::Operator.as_str()])?;
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Everything,
            at: origin.at,
        },
    )?;
    Ok(ended as u64)
}

fn advance(tx: &Connection, session: &mut Session, next: Line, mac_kid: &str) -> Result<()> {
    let updated = tx
        .prepare_cached("UPDATE sessions SET current = ?2, parent = ?3, rotated_at = ?4, reissues = ?5, mac_kid = ?6 WHERE sid = ?1")?
        .execute(params![session.sid.blob(), next.current, next.parent, ms(next.rotated_at), next.reissues, mac_kid])?;
    if updated != 1 {
        return Err(damaged("a session vanished within its transaction"));
    }
    session.line = next;
    mac_kid.clone_into(&mut session.mac_kid);
    Ok(())
}

fn finish(tx: &Connection, session: &Session, reason: EndReason, origin: &Origin) -> Result<()> {
    tx.prepare_cached("UPDATE sessions SET ended_at = ?2, end_reason = ?3 WHERE sid = ?1")?
        .execute(params![session.sid.blob(), ms(origin.at), reason.as_str()])?;
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Session(session.sid),
            at: origin.at,
        },
    )?;
    housekeeping::announce(tx, origin.at, crate::Change::Revocations)
}

fn note(
    tx: &Connection,
    session: &Session,
    uid: &tm_auth_proto::AccountId,
    origin: &Origin,
    action: &'static str,
) -> Result<()> {
    audit::note(
        tx,
        origin,
        action,
        Some(*uid),
        Some(session.key_id),
        Some(session.sid),
        None,
    )
}

fn get(db: &Connection, sid: SessionId) -> Result<Option<Session>> {
    let mut statement = db.prepare_cached(
        "SELECT sid, key_id, secret_hash, current, parent, rotated_at, reissues, mac_kid, opened_at, expires_at, ended_at, end_reason
         FROM sessions WHERE sid = ?1",
    )?;
    statement
        .query_row([sid.blob()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

fn read(row: &Row<'_>) -> Result<Session> {
    let ended_at = opt_time(row.get(10)?)?;
    let reason = row
        .get::<_, Option<String>>(11)?
        .as_deref()
        .and_then(EndReason::parse);
    Ok(Session {
        sid: id(&row.get::<_, Vec<u8>>(0)?)?,
        key_id: id(&row.get::<_, Vec<u8>>(1)?)?,
        secret_hash: SecretHash(bytes(row.get(2)?)?),
        line: Line {
            current: row.get(3)?,
            parent: row.get(4)?,
            rotated_at: time(row.get(5)?)?,
            reissues: row.get(6)?,
        },
        mac_kid: row.get(7)?,
        opened_at: time(row.get(8)?)?,
        expires_at: time(row.get(9)?)?,
        // A session with an end but without a known reason stays ended: the safe side.
        ended: ended_at.map(|at| (at, reason.unwrap_or(EndReason::Operator))),
    })
}
