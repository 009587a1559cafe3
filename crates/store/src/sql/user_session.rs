//! Sessions of users.

mod row;

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_core::rotation::{Decision, TokenFamily, decide};
use tm_auth_core::session::EndReason;
use tm_auth_core::token::refresh::VerifiedRefreshToken;
use tm_auth_core::user::{SessionKind, UserSession};
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::{AccountId, SessionId};

use super::{Outbox, Store, Tx, account, args, audit, housekeeping, revocation};
use crate::outbox::Notice;
use crate::{
    AuditAction, AuditContext, Call, Change, RefusedRotation, Result, Revocation, Revoked,
    RotatedUserSession, Rotation, RotationKind,
};

pub(super) use row::get;
pub(super) use row::{COLUMNS, read};
use row::{beyond, of_account, with_account};

/// The most sessions of an account that were not ended. A login beyond it ends the one that was
/// unused for longest.
pub(crate) const MAX_SESSIONS: u32 = 50;

impl Store {
    /// Opens a session if its account is not disabled. Records the network as one from which the
    /// account logs in. Ends the session `replaces`, of any account, so that a step-up or another
    /// login in the same browser never leaves the old session live. If the account has more than 50
    /// sessions, ends the one that was unused for longest. `false`: the account is unknown
    /// or disabled, and nothing was changed.
    pub fn open_user_session(
        &self,
        new: UserSession,
        network: String,
        replaces: Option<SessionId>,
        audit_context: &AuditContext,
    ) -> Call<'_, bool> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| open(tx, &new, &network, replaces, &audit_context).await))
    }

    /// Returns a session with its account, in any state.
    pub fn user_session(&self, sid: SessionId) -> Call<'_, Option<(UserSession, Account)>> {
        Box::pin(self.read(async move |tx| with_account(tx, sid).await))
    }

    /// Returns the sessions of an account that were not ended, newest first. Some may have expired.
    pub fn user_sessions_of(&self, uid: AccountId) -> Call<'_, Vec<UserSession>> {
        Box::pin(self.read(async move |tx| of_account(tx, uid).await))
    }

    /// Records the use of a session. An older use never overwrites a newer one.
    pub fn touch_user_session(&self, sid: SessionId, at: Timestamp, address: IpAddr) -> Call<'_, ()> {
        Box::pin(self.write_read_committed(async move |tx| touch(tx, sid, at, address).await))
    }

    /// Like [`crate::Store::rotate_session`], for a user's session.
    pub fn rotate_user_session(
        &self,
        rotation: Rotation,
    ) -> Call<'_, Result<RotatedUserSession, RefusedRotation>> {
        let outbox = self.outbox();
        Box::pin(self.write(async move |tx| rotate(tx, &rotation, outbox).await))
    }

    /// Ends a session of this account and revokes its access tokens. `false`: the account has no
    /// such session, or it was ended before.
    pub fn end_user_session(
        &self,
        uid: AccountId,
        sid: SessionId,
        audit_context: &AuditContext,
    ) -> Call<'_, bool> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| match get(tx, sid).await? {
            Some(session) if session.uid == uid && session.ended.is_none() => {
                end(tx, &session, EndReason::Revoked, &audit_context).await?;
                Ok(true)
            }
            _ => Ok(false),
        }))
    }

    /// Ends all sessions of this account except `keep`. Returns their number.
    pub fn end_user_sessions(
        &self,
        uid: AccountId,
        keep: Option<SessionId>,
        audit_context: &AuditContext,
    ) -> Call<'_, u64> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| {
            let ended = end_all_but(tx, uid, keep, &audit_context).await?;
            if ended > 0 {
                outbox
                    .tell(tx, &audit_context, uid, &Notice::SignedOutEverywhere)
                    .await?;
            }
            Ok(ended)
        }))
    }
}

async fn open(
    tx: &mut Tx<'_>,
    new: &UserSession,
    network: &str,
    replaces: Option<SessionId>,
    audit_context: &AuditContext,
) -> Result<bool> {
    let live = account::get(tx, new.uid)
        .await?
        .is_some_and(|account| account.disabled_at.is_none());
    if !live {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO user_sessions (sid, uid, kind, secret_hash, method, proved_at, mac_kid, current, rotated_at,
            reissue_count, burst_oldest, burst_began_at, opened_at, last_used_at, expires_at, ip, device)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, 0, 0, ?8, ?8, ?8, ?9, ?10, ?11)",
        args![
            new.sid,
            new.uid,
            new.kind.as_str(),
            new.secret_hash,
            new.proof.method.as_str(),
            new.proof.at,
            new.mac_kid,
            new.opened_at,
            new.expires_at,
            new.address.to_string(),
            new.device,
        ],
    )
    .await?;
    tx.execute(
        "INSERT INTO sign_in_networks (uid, network, last_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (uid, network) DO UPDATE SET last_at = excluded.last_at",
        args![new.uid, network, new.opened_at],
    )
    .await?;
    let old = match replaces {
        Some(sid) => get(tx, sid).await?,
        None => None,
    };
    if let Some(old) = old.filter(|old| old.ended.is_none()) {
        end(tx, &old, EndReason::Revoked, audit_context).await?;
    }
    for surplus in beyond(tx, new.uid, new.sid, MAX_SESSIONS - 1).await? {
        end(tx, &surplus, EndReason::Revoked, audit_context).await?;
    }
    let detail = format!("method={} kind={}", new.proof.method.as_str(), new.kind.as_str());
    audit::note(
        tx,
        audit_context,
        AuditAction::SignIn,
        Some(new.uid),
        None,
        Some(new.sid),
        Some(&detail),
    )
    .await?;
    Ok(true)
}

async fn touch(tx: &mut Tx<'_>, sid: SessionId, at: Timestamp, address: IpAddr) -> Result<()> {
    tx.execute(
        "UPDATE user_sessions SET last_used_at = ?2, ip = ?3 WHERE sid = ?1 AND last_used_at < ?2 AND ended_at IS NULL",
        args![sid, at, address.to_string()],
    )
    .await?;
    Ok(())
}

async fn rotate(
    tx: &mut Tx<'_>,
    rotation: &Rotation,
    outbox: Outbox,
) -> Result<Result<RotatedUserSession, RefusedRotation>> {
    let presented = &rotation.presented;
    let Some((mut session, account)) = with_account(tx, presented.sid).await? else {
        return Ok(Err(Refusal::SessionExpired.into()));
    };
    // A browser session's secret, from a cookie, is not valid in a refresh token.
    if !session.secret_hash.matches(&presented.secret) || session.kind == SessionKind::Browser {
        return Ok(Err(Refusal::InvalidRefreshToken.into()));
    }
    if let Err(refusal) = session.check_usable(&account, rotation.now) {
        return Ok(Err(refusal.into()));
    }
    let window = rotation.lifetimes.reuse_grace;
    let kind = match decide(&session.family, presented.counter, rotation.now, window) {
        Decision::Rotate { next, fast_forward } => {
            advance(tx, &mut session, next, rotation).await?;
            if fast_forward {
                note(
                    tx,
                    &session,
                    &rotation.audit_context,
                    AuditAction::SessionFastForwarded,
                )
                .await?;
                RotationKind::FastForwarded
            } else {
                RotationKind::Rotated
            }
        }
        Decision::Repeat => RotationKind::Repeated,
        Decision::Reissue { next } => {
            advance(tx, &mut session, next, rotation).await?;
            RotationKind::Reissued
        }
        Decision::Superseded => return Ok(Err(Refusal::RefreshSuperseded.into())),
        Decision::Reuse => {
            end(tx, &session, EndReason::Reused, &rotation.audit_context).await?;
            note(tx, &session, &rotation.audit_context, AuditAction::RefreshReused).await?;
            let notice = Notice::SessionReused;
            outbox
                .tell(tx, &rotation.audit_context, session.uid, &notice)
                .await?;
            return Ok(Err(RefusedRotation::ended_by_reuse()));
        }
    };
    Ok(Ok(RotatedUserSession {
        session,
        account,
        kind,
    }))
}

async fn advance(
    tx: &mut Tx<'_>,
    session: &mut UserSession,
    next: TokenFamily,
    rotation: &Rotation,
) -> Result<()> {
    tx.execute(
        "UPDATE user_sessions SET current = ?2, parent = ?3, rotated_at = ?4, reissue_count = ?5, burst_oldest = ?6,
            burst_began_at = ?7, mac_kid = ?8, last_used_at = ?4, ip = ?9
         WHERE sid = ?1",
        args![
            session.sid,
            next.current,
            next.parent,
            next.rotated_at,
            next.reissue_count,
            next.burst_oldest,
            next.burst_began_at,
            rotation.mac_kid,
            rotation.address.to_string(),
        ],
    )
    .await?;
    session.family = next;
    session.last_used_at = next.rotated_at;
    session.mac_kid = Some(rotation.mac_kid.clone());
    session.address = rotation.address;
    Ok(())
}

/// The family of a refresh token whose secret matches and whose session was not ended.
pub(super) async fn family_of(
    tx: &mut Tx<'_>,
    presented: &VerifiedRefreshToken,
) -> Result<Option<TokenFamily>> {
    let session = get(tx, presented.sid).await?;
    let live =
        session.filter(|session| session.ended.is_none() && session.secret_hash.matches(&presented.secret));
    Ok(live.map(|session| session.family))
}

/// Ends the session of a refresh token, if the secret matches and the session was not ended.
pub(super) async fn end_presented(
    tx: &mut Tx<'_>,
    presented: &VerifiedRefreshToken,
    audit_context: &AuditContext,
) -> Result<bool> {
    let live = get(tx, presented.sid)
        .await?
        .filter(|session| session.ended.is_none() && session.secret_hash.matches(&presented.secret));
    let Some(session) = live else { return Ok(false) };
    end(tx, &session, EndReason::Revoked, audit_context).await?;
    Ok(true)
}

/// Ends all sessions of an account except `keep`. Returns their number.
pub(super) async fn end_all_but(
    tx: &mut Tx<'_>,
    uid: AccountId,
    keep: Option<SessionId>,
    audit_context: &AuditContext,
) -> Result<u64> {
    let others = of_account(tx, uid).await?;
    let others = others.iter().filter(|session| Some(session.sid) != keep);
    let mut ended = 0;
    for session in others {
        end(tx, session, EndReason::Revoked, audit_context).await?;
        ended += 1;
    }
    Ok(ended)
}

/// Ends all live sessions of all users, after a restore.
pub(super) async fn end_all(tx: &mut Tx<'_>, audit_context: &AuditContext) -> Result<u64> {
    tx.execute(
        "UPDATE user_sessions SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL AND expires_at > ?1",
        args![audit_context.at, EndReason::Operator.as_str()],
    )
    .await
}

pub(super) async fn end(
    tx: &mut Tx<'_>,
    session: &UserSession,
    reason: EndReason,
    audit_context: &AuditContext,
) -> Result<()> {
    tx.execute(
        "UPDATE user_sessions SET ended_at = ?2, end_reason = ?3 WHERE sid = ?1",
        args![session.sid, audit_context.at, reason.as_str()],
    )
    .await?;
    // A browser's session has no access tokens.
    if session.kind != SessionKind::Browser {
        revocation::add(
            tx,
            Revocation {
                revoked: Revoked::Session(session.sid),
                at: audit_context.at,
            },
        )
        .await?;
        housekeeping::announce(tx, audit_context.at, Change::Revocations).await?;
    }
    note(tx, session, audit_context, AuditAction::SessionEnded).await
}

async fn note(
    tx: &mut Tx<'_>,
    session: &UserSession,
    audit_context: &AuditContext,
    action: AuditAction,
) -> Result<()> {
    audit::note(
        tx,
        audit_context,
        action,
        Some(session.uid),
        None,
        Some(session.sid),
        Some(&format!("kind={}", session.kind.as_str())),
    )
    .await
}
