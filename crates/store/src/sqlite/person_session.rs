//! Sessions of people.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tm_auth_core::person::{AuthMethod, PersonSession, Proof, SessionKind};
use tm_auth_core::rotation::{Decision, Line, decide};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::session::EndReason;
use tm_auth_core::token::refresh::Presented;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::{AccountId, SessionId};

use super::row::{Id, bytes, damaged, id, ms, opt_time, parse, time};
use super::{SqliteStore, account, audit, housekeeping, revocation};
use crate::{
    Change, Origin, PersonSessions, Result, Revocation, Revoked, RotatedPerson, Rotation, RotationKind,
};

#[async_trait]
impl PersonSessions for SqliteStore {
    async fn open_person_session(
        &self,
        new: PersonSession,
        network: String,
        replaces: Option<SessionId>,
        origin: &Origin,
    ) -> Result<bool> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| open(tx, &new, &network, replaces, &origin))
            .await
    }

    async fn person_session(&self, sid: SessionId) -> Result<Option<(PersonSession, Account)>> {
        self.readers.read(move |db| with_account(db, sid)).await
    }

    async fn person_sessions_of(&self, uid: AccountId) -> Result<Vec<PersonSession>> {
        self.readers.read(move |db| of_account(db, uid)).await
    }

    async fn touch_person_session(&self, sid: SessionId, at: Timestamp, address: IpAddr) -> Result<()> {
        self.writer.submit(move |tx| touch(tx, sid, at, address)).await
    }

    async fn rotate_person_session(&self, rotation: Rotation) -> Result<Result<RotatedPerson, Refusal>> {
        self.writer.submit(move |tx| rotate(tx, &rotation)).await
    }

    async fn has_passkey(&self, uid: AccountId) -> Result<bool> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached("SELECT 1 FROM passkeys WHERE uid = ?1")?;
                Ok(statement.exists([uid.blob()])?)
            })
            .await
    }

    async fn end_person_session(&self, uid: AccountId, sid: SessionId, origin: &Origin) -> Result<bool> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| match get(tx, sid)? {
                Some(session) if session.uid == uid && session.ended.is_none() => {
                    end(tx, &session, EndReason::Revoked, &origin)?;
                    Ok(true)
                }
                _ => Ok(false),
            })
            .await
    }

    async fn end_person_sessions(
        &self,
        uid: AccountId,
        keep: Option<SessionId>,
        origin: &Origin,
    ) -> Result<u64> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| end_all_but(tx, uid, keep, &origin))
            .await
    }
}

fn open(
    tx: &Connection,
    new: &PersonSession,
    network: &str,
    replaces: Option<SessionId>,
    origin: &Origin,
) -> Result<bool> {
    let live = account::get(tx, new.uid)?.is_some_and(|account| account.disabled_at.is_none());
    if !live {
        return Ok(false);
    }
    tx.prepare_cached(
        "INSERT INTO person_sessions (sid, uid, kind, secret_hash, method, proved_at, mac_kid, current, rotated_at,
            reissues, opened_at, last_used_at, expires_at, ip, device)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, 0, ?8, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        new.sid.blob(),
        new.uid.blob(),
        new.kind.as_str(),
        new.secret_hash.0,
        new.proof.method.as_str(),
        ms(new.proof.at),
        new.mac_kid,
        ms(new.opened_at),
        ms(new.expires_at),
        new.address.to_string(),
        new.device,
    ])?;
    tx.prepare_cached(
        "INSERT INTO sign_in_networks (uid, network, last_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (uid, network) DO UPDATE SET last_at = excluded.last_at",
    )?
    .execute(params![new.uid.blob(), network, ms(new.opened_at)])?;
    let old = replaces.map(|sid| get(tx, sid)).transpose()?.flatten();
    if let Some(old) = old.filter(|old| old.ended.is_none()) {
        end(tx, &old, EndReason::Revoked, origin)?;
    }
    let detail = format!("method={} kind={}", new.proof.method.as_str(), new.kind.as_str());
    audit::note(
        tx,
        origin,
        "sign_in",
        Some(new.uid),
        None,
        Some(new.sid),
        Some(&detail),
    )?;
    Ok(true)
}

fn touch(tx: &Connection, sid: SessionId, at: Timestamp, address: IpAddr) -> Result<()> {
    tx.prepare_cached(
        "UPDATE person_sessions SET last_used_at = ?2, ip = ?3 WHERE sid = ?1 AND last_used_at < ?2 AND ended_at IS NULL",
    )?
    .execute(params![sid.blob(), ms(at), address.to_string()])?;
    Ok(())
}

fn rotate(tx: &Connection, rotation: &Rotation) -> Result<Result<RotatedPerson, Refusal>> {
    let presented = &rotation.presented;
    let Some((mut session, account)) = with_account(tx, presented.sid)? else {
        return Ok(Err(Refusal::SessionExpired));
    };
    // A cookie's secret is no refresh token, whoever may have made a token of it.
    if !session.secret_hash.matches(&presented.secret) || session.kind == SessionKind::Browser {
        return Ok(Err(Refusal::InvalidRefreshToken));
    }
    if let Err(refusal) = session.permit(&account, rotation.now) {
        return Ok(Err(refusal));
    }
    let window = rotation.lives.same_successor;
    let kind = match decide(&session.line, presented.counter, rotation.now, window) {
        Decision::Rotate { next, fast_forward } => {
            advance(tx, &mut session, next, rotation)?;
            if fast_forward {
                note(tx, &session, &rotation.origin, "session_fast_forwarded")?;
                RotationKind::FastForwarded
            } else {
                RotationKind::Rotated
            }
        }
        Decision::Repeat => RotationKind::Repeated,
        Decision::Reissue { next } => {
            advance(tx, &mut session, next, rotation)?;
            RotationKind::Reissued
        }
        Decision::Superseded => return Ok(Err(Refusal::RefreshSuperseded)),
        Decision::Reuse => {
            end(tx, &session, EndReason::Reused, &rotation.origin)?;
            note(tx, &session, &rotation.origin, "refresh_reused")?;
            return Ok(Err(Refusal::RefreshReused));
        }
    };
    Ok(Ok(RotatedPerson {
        session,
        account,
        kind,
    }))
}

fn advance(tx: &Connection, session: &mut PersonSession, next: Line, rotation: &Rotation) -> Result<()> {
    tx.prepare_cached(
        "UPDATE person_sessions SET current = ?2, parent = ?3, rotated_at = ?4, reissues = ?5, mac_kid = ?6,
            last_used_at = ?4, ip = ?7
         WHERE sid = ?1",
    )?
    .execute(params![
        session.sid.blob(),
        next.current,
        next.parent,
        ms(next.rotated_at),
        next.reissues,
        rotation.mac_kid,
        rotation.address.to_string(),
    ])?;
    session.line = next;
    session.last_used_at = next.rotated_at;
    session.mac_kid = Some(rotation.mac_kid.clone());
    session.address = rotation.address;
    Ok(())
}

/// Ends the session of a refresh token, if its secret is right and it is not over.
pub(super) fn end_presented(tx: &Connection, presented: &Presented, origin: &Origin) -> Result<bool> {
    let live = get(tx, presented.sid)?
        .filter(|session| session.ended.is_none() && session.secret_hash.matches(&presented.secret));
    let Some(session) = live else { return Ok(false) };
    end(tx, &session, EndReason::Revoked, origin)?;
    Ok(true)
}

/// Ends every session of an account but one. Returns how many.
pub(super) fn end_all_but(
    tx: &Connection,
    uid: AccountId,
    keep: Option<SessionId>,
    origin: &Origin,
) -> Result<u64> {
    let others = of_account(tx, uid)?;
    let others = others.iter().filter(|session| Some(session.sid) != keep);
    let mut ended = 0;
    for session in others {
        end(tx, session, EndReason::Revoked, origin)?;
        ended += 1;
    }
    Ok(ended)
}

/// Ends every session of every person, for a restored database.
pub(super) fn end_everybodys(tx: &Connection, origin: &Origin) -> Result<u64> {
    let ended = tx
        .prepare_cached(
            "UPDATE person_sessions SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL AND expires_at > ?1",
        )?
        .execute(params![ms(origin.at), EndReason::Operator.as_str()])?;
    Ok(ended as u64)
}

fn end(tx: &Connection, session: &PersonSession, reason: EndReason, origin: &Origin) -> Result<()> {
    tx.prepare_cached("UPDATE person_sessions SET ended_at = ?2, end_reason = ?3 WHERE sid = ?1")?
        .execute(params![session.sid.blob(), ms(origin.at), reason.as_str()])?;
    // No access token came from a browser's session.
    if session.kind != SessionKind::Browser {
        revocation::add(
            tx,
            Revocation {
                revoked: Revoked::Session(session.sid),
                at: origin.at,
            },
        )?;
        housekeeping::announce(tx, origin.at, Change::Revocations)?;
    }
    note(tx, session, origin, "session_ended")
}

fn note(tx: &Connection, session: &PersonSession, origin: &Origin, action: &'static str) -> Result<()> {
    audit::note(
        tx,
        origin,
        action,
        Some(session.uid),
        None,
        Some(session.sid),
        Some(&format!("kind={}", session.kind.as_str())),
    )
}

const COLUMNS: &str = "s.sid, s.uid, s.kind, s.secret_hash, s.method, s.proved_at, s.mac_kid, s.current, s.parent, s.rotated_at,
    s.reissues, s.opened_at, s.last_used_at, s.expires_at, s.ip, s.device, s.ended_at, s.end_reason";

fn get(db: &Connection, sid: SessionId) -> Result<Option<PersonSession>> {
    let sql = format!("SELECT {COLUMNS} FROM person_sessions s WHERE s.sid = ?1");
    db.prepare_cached(&sql)?
        .query_row([sid.blob()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

fn with_account(db: &Connection, sid: SessionId) -> Result<Option<(PersonSession, Account)>> {
    let sql = format!(
        "SELECT {COLUMNS}, a.uid, a.organization_id, a.email, a.created_at, a.disabled_at, a.version
         FROM person_sessions s JOIN accounts a ON a.uid = s.uid WHERE s.sid = ?1"
    );
    db.prepare_cached(&sql)?
        .query_row([sid.blob()], |row| {
            Ok(read(row).and_then(|session| Ok((session, account::read(row, 18)?))))
        })
        .optional()?
        .transpose()
}

fn of_account(db: &Connection, uid: AccountId) -> Result<Vec<PersonSession>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM person_sessions s WHERE s.uid = ?1 AND s.ended_at IS NULL ORDER BY s.opened_at DESC, s.sid"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([uid.blob()], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<PersonSession> {
    let (kind, method): (String, String) = (row.get(2)?, row.get(4)?);
    let ended_at = opt_time(row.get(16)?)?;
    let reason: Option<String> = row.get(17)?;
    Ok(PersonSession {
        sid: id(&row.get::<_, Vec<u8>>(0)?)?,
        uid: id(&row.get::<_, Vec<u8>>(1)?)?,
        kind: SessionKind::parse(&kind).ok_or_else(|| damaged(format!("a session of kind {kind}")))?,
        secret_hash: SecretHash(bytes(row.get(3)?)?),
        proof: Proof {
            method: AuthMethod::parse(&method).ok_or_else(|| damaged(format!("a proof by {method}")))?,
            at: time(row.get(5)?)?,
        },
        mac_kid: row.get(6)?,
        line: Line {
            current: row.get(7)?,
            parent: row.get(8)?,
            rotated_at: time(row.get(9)?)?,
            reissues: row.get(10)?,
        },
        opened_at: time(row.get(11)?)?,
        last_used_at: time(row.get(12)?)?,
        expires_at: time(row.get(13)?)?,
        address: parse(&row.get::<_, String>(14)?)?,
        device: row.get(15)?,
        // An end without a known reason stays an end: the safe side.
        ended: ended_at.map(|at| {
            let reason = reason.as_deref().and_then(EndReason::parse);
            (at, reason.unwrap_or(EndReason::Operator))
        }),
    })
}
