//! Rotating many sessions in two statements.
//!
//! 1. One SELECT reads the sessions of the batch with their keys and accounts.
//! 2. Each presented token is judged on its row by [`decide`], the rule that both databases share.
//!    Only one token per session changes the row in a batch. Tokens judged after it see the changed
//!    row.
//! 3. One UPDATE changes all rows, each only if session, key and account have not changed since
//!    the SELECT. It begins after every revocation that was acknowledged before this request, so it
//!    misses none.
//! 4. Items whose row was not updated, and cases that need more than one UPDATE (a reuse
//!    ends the session, a fast-forward is audited) are written alone.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, PgConnection};
use tm_auth_core::rotation::{Decision, TokenFamily, decide};
use tm_auth_core::session::Session;
use tm_auth_core::{ApiKey, Refusal};
use tm_auth_proto::SessionId;

use super::Postgres;
use super::batcher::{Batched, Batcher, column};
use crate::sql::{Columns, Row, api_key, session};
use crate::{RefusedRotation, Rotated, Rotation, RotationKind};

const ADVANCE: &str = "UPDATE sessions s
    SET current = n.current, parent = n.parent, rotated_at = n.rotated_at, reissue_count = n.reissue_count,
        burst_oldest = n.burst_oldest, burst_began_at = n.burst_began_at, mac_kid = n.mac_kid
    FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[])
        AS n (sid, was_current, was_parent, was_rotated_at, current, parent, rotated_at, reissue_count, burst_oldest,
            burst_began_at, mac_kid, key_version, account_version),
        api_keys k, accounts a
    WHERE s.sid = n.sid AND s.current = n.was_current AND s.parent IS NOT DISTINCT FROM n.was_parent
      AND s.rotated_at = n.was_rotated_at AND s.ended_at IS NULL
      AND k.key_id = s.key_id AND k.version = n.key_version AND k.revoked_at IS NULL AND k.disabled_at IS NULL
      AND a.uid = k.uid AND a.version = n.account_version AND a.disabled_at IS NULL
    RETURNING s.sid";

impl Batched for Rotation {
    type Outcome = Result<Rotated, RefusedRotation>;

    fn lane(postgres: &Postgres) -> &Batcher<Self> {
        &postgres.rotations
    }

    async fn run(
        connection: &mut PgConnection,
        batch: &[Self],
    ) -> Result<Vec<Option<Self::Outcome>>, sqlx::Error> {
        let mut found = read(connection, batch).await?;
        let mut outcomes: Vec<_> = batch
            .iter()
            .map(|rotation| match found.get_mut(&rotation.presented.sid) {
                Some(Some(found)) => found.judge(rotation),
                Some(None) => None,
                None => Some(Err(Refusal::SessionExpired.into())),
            })
            .collect();
        let mut moved: Vec<Moved<'_>> = found.values().flatten().filter_map(Found::moved).collect();
        // All nodes write in the same order, so that they do not deadlock.
        moved.sort_by_key(|moved| moved.session.sid);
        let advanced = advance(connection, &moved).await?;
        let lost: HashSet<SessionId> = moved
            .iter()
            .map(|moved| moved.session.sid)
            .filter(|sid| !advanced.contains(sid))
            .collect();
        for (outcome, rotation) in outcomes.iter_mut().zip(batch) {
            if lost.contains(&rotation.presented.sid) {
                *outcome = None;
            }
        }
        Ok(outcomes)
    }
}

/// A session of the batch, as it was read or as it will be written.
struct Found {
    session: Session,
    key: Option<ApiKey>,
    /// The state that was read, if a token of the batch changes it.
    was: Option<TokenFamily>,
}

/// A session to be written, and the key with which its token was judged.
struct Moved<'f> {
    session: &'f Session,
    key: &'f ApiKey,
    was: TokenFamily,
}

impl Found {
    fn moved(&self) -> Option<Moved<'_>> {
        Some(Moved {
            session: &self.session,
            key: self.key.as_ref()?,
            was: self.was?,
        })
    }

    /// Returns `None` if the item has to be written alone.
    fn judge(&mut self, rotation: &Rotation) -> Option<Result<Rotated, RefusedRotation>> {
        let presented = &rotation.presented;
        if !self.session.secret_hash.matches(&presented.secret) {
            return Some(Err(Refusal::InvalidRefreshToken.into()));
        }
        let Some(key) = &self.key else {
            return Some(Err(Refusal::SessionExpired.into()));
        };
        if let Err(refusal) =
            self.session
                .check_usable(key, rotation.address, &rotation.lifetimes, rotation.now)
        {
            return Some(Err(refusal.into()));
        }
        let family = self.session.family;
        let reuse_grace = rotation.lifetimes.reuse_grace;
        let (kind, next) = match decide(&family, presented.counter, rotation.now, reuse_grace) {
            Decision::Repeat => (RotationKind::Repeated, None),
            Decision::Rotate {
                next,
                fast_forward: false,
            } => (RotationKind::Rotated, Some(next)),
            Decision::Reissue { next } => (RotationKind::Reissued, Some(next)),
            Decision::Superseded => return Some(Err(Refusal::RefreshSuperseded.into())),
            Decision::Rotate {
                fast_forward: true, ..
            }
            | Decision::Reuse => return None,
        };
        if let Some(next) = next {
            if self.was.is_some() {
                return None;
            }
            self.was = Some(family);
            self.session.family = next;
            rotation.mac_kid.clone_into(&mut self.session.mac_kid);
        }
        Some(Ok(Rotated {
            session: self.session.clone(),
            key: key.clone(),
            kind,
        }))
    }
}

/// Returns the sessions that exist. `None`: a row cannot be read.
async fn read(
    connection: &mut PgConnection,
    batch: &[Rotation],
) -> Result<HashMap<SessionId, Option<Found>>, sqlx::Error> {
    let sql = format!(
        "SELECT {}, {} FROM sessions s LEFT JOIN api_keys k ON k.key_id = s.key_id LEFT JOIN accounts a ON a.uid = k.uid
         WHERE s.sid = ANY($1)",
        session::COLUMNS,
        api_key::COLUMNS,
    );
    let sids = column(batch, |rotation| rotation.presented.sid.0.as_bytes().as_slice());
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(sids)
        .fetch_all(connection)
        .await?;
    let read = |row| {
        let row = Row::Postgres(row);
        let sid = row.columns().next().ok()?;
        Some((sid, found(&mut row.columns()).ok()))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

fn found(columns: &mut Columns<'_>) -> crate::Result<Found> {
    let session = session::read(columns)?;
    let key = if columns.next_is_null()? {
        None
    } else {
        Some(api_key::read(columns)?)
    };
    Ok(Found {
        session,
        key,
        was: None,
    })
}

/// Writes the rows. Returns those that had not changed since they were read.
async fn advance(
    connection: &mut PgConnection,
    moved: &[Moved<'_>],
) -> Result<HashSet<SessionId>, sqlx::Error> {
    if moved.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query(ADVANCE)
        .bind(column(moved, |row| row.session.sid.0.as_bytes().as_slice()))
        .bind(column(moved, |row| row.was.current))
        .bind(column(moved, |row| row.was.parent))
        .bind(column(moved, |row| row.was.rotated_at.as_millisecond()))
        .bind(column(moved, |row| row.session.family.current))
        .bind(column(moved, |row| row.session.family.parent))
        .bind(column(moved, |row| {
            row.session.family.rotated_at.as_millisecond()
        }))
        .bind(column(moved, |row| row.session.family.reissue_count))
        .bind(column(moved, |row| row.session.family.burst_oldest))
        .bind(column(moved, |row| {
            row.session.family.burst_began_at.as_millisecond()
        }))
        .bind(column(moved, |row| row.session.mac_kid.as_str()))
        .bind(column(moved, |row| row.key.version))
        .bind(column(moved, |row| row.key.account.version))
        .fetch_all(connection)
        .await?;
    let sid = |row| {
        Row::Postgres(row)
            .columns()
            .next()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))
    };
    rows.into_iter().map(sid).collect()
}
