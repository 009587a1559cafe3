//! Sessions of API keys. This is the hot path: one insert per mint, one update per refresh.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::Refusal;
use tm_auth_core::rotation::{Decision, TokenFamily, decide};
use tm_auth_core::session::{EndReason, NewSession, Session};
use tm_auth_core::token::refresh::VerifiedRefreshToken;
use tm_auth_core::user::is_user_session;
use tm_auth_proto::SessionId;

use super::row::{damaged, only};
use super::{
    Columns, Outbox, Store, Tx, api_key, args, audit, housekeeping, revocation, setting, user_session,
};
use crate::outbox::Notice;
use crate::{
    AuditAction, AuditContext, Call, OpenOutcome, RefusedRotation, Result, Revocation, Revoked, Rotated,
    Rotation, RotationKind,
};

/// Inserts the session if key and account have not changed since the decision. So no mint that
/// begins after an acknowledged revocation succeeds, even if a cache is stale.
const OPEN: &str = "INSERT INTO sessions (sid, key_id, secret_hash, open_nonce, mac_kid, current, rotated_at, reissue_count,
        burst_oldest, burst_began_at, challenge_at, opened_at, expires_at)
    SELECT ?1, ?2, ?3, ?4, ?5, 0, ?6, 0, 0, ?6, ?7, ?6, ?8
    WHERE EXISTS (
        SELECT 1 FROM api_keys k JOIN accounts a ON a.uid = k.uid
        WHERE k.key_id = ?2 AND k.version = ?9 AND a.version = ?10 AND k.revoked_at IS NULL AND k.disabled_at IS NULL
          AND a.disabled_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM settings WHERE name = 'recovered_at' AND CAST(value AS BIGINT) > ?7)
    ON CONFLICT (sid) DO NOTHING";

impl Store {
    /// Opens a session if its id is new and neither key nor account changed since the decision.
    pub fn open_session(&self, new: NewSession) -> Call<'_, OpenOutcome> {
        Box::pin(self.write_batched(new, async |tx, new| open(tx, new).await))
    }

    /// Judges a presented refresh token by [`tm_auth_core::rotation::decide`] and updates the
    /// session, in one step. A reuse ends the session.
    pub fn rotate_session(&self, rotation: Rotation) -> Call<'_, Result<Rotated, RefusedRotation>> {
        let outbox = self.outbox();
        Box::pin(self.write_batched(rotation, async move |tx, rotation| {
            rotate(tx, rotation, outbox).await
        }))
    }

    /// Whether a presented refresh token, of an API key or a user, would get the newest token again,
    /// which changes nothing. Only reads.
    pub fn would_repeat(
        &self,
        presented: VerifiedRefreshToken,
        now: Timestamp,
        reuse_grace: SignedDuration,
    ) -> Call<'_, bool> {
        Box::pin(self.read(async move |tx| {
            let family = if is_user_session(presented.sid) {
                user_session::family_of(tx, &presented).await?
            } else {
                family_of(tx, &presented).await?
            };
            let decision = family.map(|family| decide(&family, presented.counter, now, reuse_grace));
            Ok(decision == Some(Decision::Repeat))
        }))
    }

    /// Ends the session of a refresh token, whether an API key's or a user's. Any token of the
    /// session works. `false`: no live session has this secret.
    pub fn end_session(
        &self,
        presented: VerifiedRefreshToken,
        audit_context: &AuditContext,
    ) -> Call<'_, bool> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| {
            if is_user_session(presented.sid) {
                user_session::end_presented(tx, &presented, &audit_context).await
            } else {
                end(tx, &presented, &audit_context).await
            }
        }))
    }
}

pub(super) async fn open(tx: &mut Tx<'_>, new: &NewSession) -> Result<OpenOutcome> {
    let inserted = tx
        .execute(
            OPEN,
            args![
                new.sid,
                new.key_id,
                new.secret_hash,
                new.open_nonce,
                new.mac_kid,
                new.opened_at,
                new.challenge_at,
                new.expires_at,
                new.key_version,
                new.account_version,
            ],
        )
        .await?;
    if inserted == 1 {
        return Ok(OpenOutcome::Opened);
    }
    let sql = "SELECT open_nonce FROM sessions WHERE sid = ?1";
    let nonce: Option<[u8; 16]> = tx.find(sql, args![new.sid], only).await?;
    Ok(match nonce {
        Some(nonce) if nonce == new.open_nonce => OpenOutcome::Opened,
        Some(_) => OpenOutcome::Replayed,
        None if recovered_after(tx, new.challenge_at).await? => OpenOutcome::BeforeRecovery,
        None => OpenOutcome::Changed,
    })
}

async fn recovered_after(tx: &mut Tx<'_>, challenge_at: Timestamp) -> Result<bool> {
    let recovered_at = setting::get(tx, "recovered_at")
        .await?
        .map(|text| text.parse::<i64>().map_err(damaged))
        .transpose()?;
    Ok(recovered_at.is_some_and(|at| at > challenge_at.as_millisecond()))
}

pub(super) async fn rotate(
    tx: &mut Tx<'_>,
    rotation: &Rotation,
    outbox: Outbox,
) -> Result<Result<Rotated, RefusedRotation>> {
    let presented = &rotation.presented;
    let Some(mut session) = get(tx, presented.sid).await? else {
        return Ok(Err(Refusal::SessionExpired.into()));
    };
    if !session.secret_hash.matches(&presented.secret) {
        return Ok(Err(Refusal::InvalidRefreshToken.into()));
    }
    let Some(key) = api_key::get(tx, session.key_id).await? else {
        return Ok(Err(Refusal::SessionExpired.into()));
    };
    if let Err(refusal) = session.check_usable(&key, rotation.address, &rotation.lifetimes, rotation.now) {
        return Ok(Err(refusal.into()));
    }
    let kind = match decide(
        &session.family,
        presented.counter,
        rotation.now,
        rotation.lifetimes.reuse_grace,
    ) {
        Decision::Rotate { next, fast_forward } => {
            advance(tx, &mut session, next, &rotation.mac_kid).await?;
            if fast_forward {
                note(
                    tx,
                    &session,
                    &key.account.uid,
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
            advance(tx, &mut session, next, &rotation.mac_kid).await?;
            RotationKind::Reissued
        }
        Decision::Superseded => return Ok(Err(Refusal::RefreshSuperseded.into())),
        Decision::Reuse => {
            finish(tx, &session, EndReason::Reused, &rotation.audit_context).await?;
            note(
                tx,
                &session,
                &key.account.uid,
                &rotation.audit_context,
                AuditAction::RefreshReused,
            )
            .await?;
            let (uid, notice) = (key.account.uid, Notice::SessionReused);
            outbox.tell(tx, &rotation.audit_context, uid, &notice).await?;
            return Ok(Err(RefusedRotation::ended_by_reuse()));
        }
    };
    Ok(Ok(Rotated { session, key, kind }))
}

/// The family of a refresh token whose secret matches and whose session was not ended.
async fn family_of(tx: &mut Tx<'_>, presented: &VerifiedRefreshToken) -> Result<Option<TokenFamily>> {
    let session = get(tx, presented.sid).await?;
    let live =
        session.filter(|session| session.ended.is_none() && session.secret_hash.matches(&presented.secret));
    Ok(live.map(|session| session.family))
}

pub(super) async fn end(
    tx: &mut Tx<'_>,
    presented: &VerifiedRefreshToken,
    audit_context: &AuditContext,
) -> Result<bool> {
    let live = get(tx, presented.sid)
        .await?
        .filter(|session| session.ended.is_none() && session.secret_hash.matches(&presented.secret));
    let Some(session) = live else { return Ok(false) };
    end_found(tx, &session, audit_context).await?;
    Ok(true)
}

/// Ends a live session, as revoking its refresh token does.
pub(super) async fn end_found(
    tx: &mut Tx<'_>,
    session: &Session,
    audit_context: &AuditContext,
) -> Result<()> {
    finish(tx, session, EndReason::Revoked, audit_context).await?;
    let key = api_key::get(tx, session.key_id).await?;
    let uid = key.map(|key| key.account.uid);
    audit::note(
        tx,
        audit_context,
        AuditAction::SessionRevoked,
        uid,
        Some(session.key_id),
        Some(session.sid),
        None,
    )
    .await
}

/// Ends all live sessions. Returns their number.
pub(super) async fn end_all(tx: &mut Tx<'_>, audit_context: &AuditContext) -> Result<u64> {
    let ended = tx
        .execute(
            "UPDATE sessions SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL AND expires_at > ?1",
            args![audit_context.at, EndReason::Operator.as_str()],
        )
        .await?;
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Everything,
            at: audit_context.at,
        },
    )
    .await?;
    Ok(ended)
}

async fn advance(tx: &mut Tx<'_>, session: &mut Session, next: TokenFamily, mac_kid: &str) -> Result<()> {
    let updated = tx
        .execute(
            "UPDATE sessions SET current = ?2, parent = ?3, rotated_at = ?4, reissue_count = ?5, burst_oldest = ?6,
                burst_began_at = ?7, mac_kid = ?8
             WHERE sid = ?1",
            args![
                session.sid,
                next.current,
                next.parent,
                next.rotated_at,
                next.reissue_count,
                next.burst_oldest,
                next.burst_began_at,
                mac_kid,
            ],
        )
        .await?;
    if updated != 1 {
        return Err(damaged("a session disappeared within its transaction"));
    }
    session.family = next;
    mac_kid.clone_into(&mut session.mac_kid);
    Ok(())
}

async fn finish(
    tx: &mut Tx<'_>,
    session: &Session,
    reason: EndReason,
    audit_context: &AuditContext,
) -> Result<()> {
    tx.execute(
        "UPDATE sessions SET ended_at = ?2, end_reason = ?3 WHERE sid = ?1",
        args![session.sid, audit_context.at, reason.as_str()],
    )
    .await?;
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Session(session.sid),
            at: audit_context.at,
        },
    )
    .await?;
    housekeeping::announce(tx, audit_context.at, crate::Change::Revocations).await
}

async fn note(
    tx: &mut Tx<'_>,
    session: &Session,
    uid: &tm_auth_proto::AccountId,
    audit_context: &AuditContext,
    action: AuditAction,
) -> Result<()> {
    audit::note(
        tx,
        audit_context,
        action,
        Some(*uid),
        Some(session.key_id),
        Some(session.sid),
        None,
    )
    .await
}

/// The columns that [`read`] reads.
pub(crate) const COLUMNS: &str =
    "s.sid, s.key_id, s.secret_hash, s.current, s.parent, s.rotated_at, s.reissue_count, s.burst_oldest,
    s.burst_began_at, s.mac_kid, s.opened_at, s.expires_at, s.ended_at, s.end_reason";

pub(super) async fn get(tx: &mut Tx<'_>, sid: SessionId) -> Result<Option<Session>> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("SELECT {COLUMNS} FROM sessions s WHERE s.sid = ?1"));
    tx.find(&SQL, args![sid], read).await
}

/// Reads [`COLUMNS`].
pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Session> {
    Ok(Session {
        sid: columns.next()?,
        key_id: columns.next()?,
        secret_hash: columns.next()?,
        family: read_family(columns)?,
        mac_kid: columns.next()?,
        opened_at: columns.next()?,
        expires_at: columns.next()?,
        ended: read_end(columns)?,
    })
}

/// Reads `current`, `parent`, `rotated_at`, `reissue_count`, `burst_oldest` and `burst_began_at`.
pub(super) fn read_family(columns: &mut Columns<'_>) -> Result<TokenFamily> {
    Ok(TokenFamily {
        current: columns.next()?,
        parent: columns.next()?,
        rotated_at: columns.next()?,
        reissue_count: columns.next()?,
        burst_oldest: columns.next()?,
        burst_began_at: columns.next()?,
    })
}

/// Reads `ended_at` and `end_reason`. A session with an unknown reason stays ended.
pub(super) fn read_end(columns: &mut Columns<'_>) -> Result<Option<(Timestamp, EndReason)>> {
    let (ended_at, reason): (Option<Timestamp>, Option<&str>) = (columns.next()?, columns.next()?);
    let reason = reason.and_then(EndReason::parse).unwrap_or(EndReason::Operator);
    Ok(ended_at.map(|at| (at, reason)))
}
