//! Reading the rows of users' sessions.

use tm_auth_core::Account;
use tm_auth_core::user::{AuthMethod, Proof, SessionKind, UserSession};
use tm_auth_proto::{AccountId, SessionId};

use crate::Result;
use crate::sql::row::{damaged, parse};
use crate::sql::{Columns, Tx, account, args, session};

pub(in crate::sql) const COLUMNS: &str = "s.sid, s.uid, s.kind, s.secret_hash, s.method, s.proved_at, s.mac_kid, s.current, s.parent, s.rotated_at,
    s.reissue_count, s.burst_oldest, s.burst_began_at, s.opened_at, s.last_used_at, s.expires_at, s.ip, s.device, s.ended_at, s.end_reason";

pub(in crate::sql) async fn get(tx: &mut Tx<'_>, sid: SessionId) -> Result<Option<UserSession>> {
    let sql = format!("SELECT {COLUMNS} FROM user_sessions s WHERE s.sid = ?1");
    tx.find(&sql, args![sid], read).await
}

pub(super) async fn with_account(tx: &mut Tx<'_>, sid: SessionId) -> Result<Option<(UserSession, Account)>> {
    let sql = format!(
        "SELECT {COLUMNS}, a.uid, a.organization_id, a.email, a.created_at, a.disabled_at, a.version
         FROM user_sessions s JOIN accounts a ON a.uid = s.uid WHERE s.sid = ?1"
    );
    tx.find(&sql, args![sid], |columns| {
        Ok((read(columns)?, account::read(columns)?))
    })
    .await
}

pub(super) async fn of_account(tx: &mut Tx<'_>, uid: AccountId) -> Result<Vec<UserSession>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM user_sessions s WHERE s.uid = ?1 AND s.ended_at IS NULL ORDER BY s.opened_at DESC, s.sid"
    );
    tx.list(&sql, args![uid], read).await
}

/// Returns the sessions of an account, except `keep`, beyond the `most` that were used last.
pub(super) async fn beyond(
    tx: &mut Tx<'_>,
    uid: AccountId,
    keep: SessionId,
    most: u32,
) -> Result<Vec<UserSession>> {
    // A login opens one session, so more than one surplus row is rare.
    let sql = format!(
        "SELECT {COLUMNS} FROM user_sessions s WHERE s.uid = ?1 AND s.ended_at IS NULL AND s.sid <> ?2
         ORDER BY s.last_used_at DESC, s.sid LIMIT 10 OFFSET ?3"
    );
    tx.list(&sql, args![uid, keep, most], read).await
}

/// Reads [`COLUMNS`].
pub(in crate::sql) fn read(columns: &mut Columns<'_>) -> Result<UserSession> {
    Ok(UserSession {
        sid: columns.next()?,
        uid: columns.next()?,
        kind: read_kind(columns.next()?)?,
        secret_hash: columns.next()?,
        proof: Proof {
            method: read_method(columns.next()?)?,
            at: columns.next()?,
        },
        mac_kid: columns.next()?,
        family: session::read_family(columns)?,
        opened_at: columns.next()?,
        last_used_at: columns.next()?,
        expires_at: columns.next()?,
        address: parse(columns.next()?)?,
        device: columns.next()?,
        ended: session::read_end(columns)?,
    })
}

fn read_kind(kind: &str) -> Result<SessionKind> {
    SessionKind::parse(kind).ok_or_else(|| damaged(format!("unknown session kind {kind}")))
}

fn read_method(method: &str) -> Result<AuthMethod> {
    AuthMethod::parse(method).ok_or_else(|| damaged(format!("unknown login method {method}")))
}
