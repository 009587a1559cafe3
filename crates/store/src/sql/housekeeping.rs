//! Changes, retention, backup and restore.

use std::path::Path;

use jiff::Timestamp;
use tm_auth_core::email_code::rules;
use tm_auth_proto::{AccountId, KeyId};

use super::row::{damaged, only, uuid};
use super::{Columns, Engine, Store, Tx, args, audit, rewound, session, setting, user_session};
use crate::{AuditAction, AuditContext, Call, Change, Changes, Result, Retention, StoreError, Swept};

impl Store {
    /// Checks that the database answers and accepts writes, and that a PostgreSQL server's clock
    /// agrees with this machine's.
    pub fn ping(&self) -> Call<'_, ()> {
        Box::pin(self.in_time(async {
            self.require_sound_file()?;
            self.write_read_committed(async |tx| ping(tx).await).await?;
            self.compare_clocks().await
        }))
    }

    /// Compares this machine's clock with a PostgreSQL server's. Fails if they disagree.
    pub fn compare_clocks(&self) -> Call<'_, ()> {
        Box::pin(self.in_time(async {
            match &self.engine {
                Engine::Sqlite(_) => Ok(()),
                Engine::Postgres(postgres) => postgres.compare_clocks(self.clock_step()).await,
            }
        }))
    }

    /// Fails if the last comparison found a difference, or this machine's clock has jumped since.
    /// Takes no time, so that each decision that depends on the time can ask.
    pub fn check_clock(&self) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(postgres) => postgres.check_clock(self.clock_step()),
        }
    }

    /// Returns up to 10,000 changes after the one with the number `after`. If `after` is unknown,
    /// the caller has missed changes.
    ///
    /// Fails if a file of a SQLite database was removed or replaced. Nodes call this four times a
    /// second, so they notice it even if they write nothing.
    pub fn changes(&self, after: i64) -> Call<'_, Changes> {
        Box::pin(async move {
            if let Engine::Sqlite(sqlite) = &self.engine {
                sqlite.check_identity()?;
            }
            let told = self.told();
            let (changes, told) = self
                .read(async move |tx| changes(tx, after, told.as_ref()).await)
                .await?;
            self.set_told(told);
            Ok(changes)
        })
    }

    /// Deletes one bounded batch of rows whose retention is over.
    pub fn sweep(&self, now: Timestamp, retention: &Retention) -> Call<'_, Swept> {
        let (retention, after) = (*retention, self.sweep_position());
        Box::pin(async move {
            let (swept, position) = self
                .write_read_committed(async move |tx| sweep(tx, now, &retention, after.as_deref()).await)
                .await?;
            self.set_sweep_position(position);
            Ok(swept)
        })
    }

    /// Writes a consistent copy of the database while the service runs. SQLite only.
    pub fn backup(&self, target: &Path) -> Call<'_, ()> {
        let target = target.to_owned();
        Box::pin(async move {
            match &self.engine {
                Engine::Sqlite(sqlite) => sqlite.backup(&target).await,
                Engine::Postgres(_) => Err(StoreError::unusable(
                    "PostgreSQL is backed up with its own tools: pg_basebackup with archived WAL, or pg_dump",
                )),
            }
        })
    }

    /// Marks the database as restored at `at`. Challenges signed before are refused, since the
    /// backup may lack the sessions that they opened. Ends all sessions if `end_sessions`. Returns
    /// the number of ended sessions.
    pub fn mark_recovered(
        &self,
        at: Timestamp,
        end_sessions: bool,
        audit_context: &AuditContext,
    ) -> Call<'_, u64> {
        let audit_context = audit_context.clone();
        Box::pin(
            self.write_read_committed(async move |tx| {
                mark_recovered(tx, at, end_sessions, &audit_context).await
            }),
        )
    }
}

/// Writes a row, which proves that the disk accepts writes. Increments a counter, since SQLite does
/// not write an unchanged page.
pub(super) async fn ping(tx: &mut Tx<'_>) -> Result<()> {
    let sql = "INSERT INTO settings (name, value) VALUES ('ping', '1')
        ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT)";
    tx.execute(sql, args![]).await?;
    Ok(())
}

/// Announces a change to the other nodes. Its number is one higher than the newest. If two
/// transactions take the same number, one fails and is retried. So numbers are committed in order
/// and without gaps.
pub(super) async fn announce(tx: &mut Tx<'_>, at: Timestamp, change: Change) -> Result<()> {
    let (kind, subject): (&str, &[u8]) = match &change {
        Change::Key(key_id) => ("key", key_id.0.as_bytes()),
        Change::Account(uid) => ("account", uid.0.as_bytes()),
        Change::SigningKeys => ("signing_keys", &[]),
        Change::Revocations => ("revocations", &[]),
    };
    tx.execute(
        "INSERT INTO changes (seq, at, kind, subject) SELECT coalesce(max(seq), 0) + 1, ?1, ?2, ?3 FROM changes",
        args![at, kind, subject],
    )
    .await?;
    Ok(())
}

/// A change that was returned. A later call compares it with the row of the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    seq: i64,
    at: Timestamp,
    kind: String,
    subject: Vec<u8>,
}

impl Told {
    pub(super) fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            seq: columns.next()?,
            kind: columns.next()?,
            subject: columns.next()?,
            at: columns.next()?,
        })
    }

    pub(super) fn change(&self) -> Result<Change> {
        let id = || uuid(&self.subject);
        Ok(match self.kind.as_str() {
            "key" => Change::Key(KeyId(id()?)),
            "account" => Change::Account(AccountId(id()?)),
            "signing_keys" => Change::SigningKeys,
            "revocations" => Change::Revocations,
            other => return Err(damaged(format!("unknown kind of change {other}"))),
        })
    }
}

/// Returns the changes after this number, and the newest of them. `told` is the newest that was
/// returned before. If its row differs, or no row has its number or a higher one, the database lost
/// its last commits. If only its own row is missing, retention deleted it.
pub(super) async fn changes(
    tx: &mut Tx<'_>,
    after: i64,
    told: Option<&Told>,
) -> Result<(Changes, Option<Told>)> {
    let sql = "SELECT seq, kind, subject, at FROM changes WHERE seq >= ?1 ORDER BY seq LIMIT 10000";
    let rows = tx.list(sql, args![after], Told::read).await?;
    let (mut latest, mut found, mut gap) = (after, Vec::new(), false);
    let went_back = told.is_some_and(|told| {
        told.seq == after
            && rows
                .first()
                .is_none_or(|first| first.seq == after && first != told)
    });
    let mut new = rows.as_slice();
    if after > 0 {
        match rows.split_first() {
            Some((first, behind)) if first.seq == after => {
                gap = went_back;
                new = behind;
            }
            _ => gap = true,
        }
    }
    for told in new {
        gap |= told.seq != latest + 1;
        latest = told.seq;
        found.push(told.change()?);
    }
    // The next statement may see changes that the first one did not. That is safe here, since the
    // caller drops all copies.
    if gap && rows.is_empty() {
        let sql = "SELECT coalesce(max(seq), 0) FROM changes";
        latest = tx.value(sql, args![]).await?;
    }
    let changes = Changes {
        latest,
        changes: (!gap).then_some(found),
        went_back,
    };
    Ok((changes, rows.into_iter().next_back()))
}

pub(super) async fn sweep(
    tx: &mut Tx<'_>,
    now: Timestamp,
    keep: &Retention,
    after: Option<&[u8]>,
) -> Result<(Swept, Option<Vec<u8>>)> {
    let mut deleted = 0;
    let mut more = false;
    // In the text, so that PostgreSQL's plan suits the number.
    let batch = keep.batch;
    for (before, sql) in [
        // Changes are numbered without gaps, so keeping the newest one is enough to detect a gap.
        (
            now - keep.change,
            format!(
                "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE at < ?1 AND seq < (SELECT max(seq) FROM changes) ORDER BY at LIMIT {batch})"
            ),
        ),
        (
            now - keep.revocation,
            format!(
                "DELETE FROM revocations WHERE (kind, subject) IN (SELECT kind, subject FROM revocations WHERE at < ?1 ORDER BY at LIMIT {batch})"
            ),
        ),
        (
            now - keep.audit,
            format!(
                "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT {batch})"
            ),
        ),
        (
            now - keep.pending_key,
            format!(
                "DELETE FROM api_keys WHERE key_id IN (SELECT key_id FROM api_keys WHERE activated_at IS NULL AND revoked_at IS NULL AND created_at < ?1 ORDER BY created_at LIMIT {batch})"
            ),
        ),
        (
            now - keep.session,
            format!(
                "DELETE FROM key_refusals WHERE (key_id, code, ip) IN (SELECT key_id, code, ip FROM key_refusals WHERE last_at < ?1 ORDER BY last_at LIMIT {batch})"
            ),
        ),
        (
            now - keep.session,
            format!(
                "DELETE FROM user_sessions WHERE sid IN (SELECT sid FROM user_sessions WHERE ended_at < ?1 ORDER BY ended_at LIMIT {batch})"
            ),
        ),
        (
            now - keep.session,
            format!(
                "DELETE FROM user_sessions WHERE sid IN (SELECT sid FROM user_sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT {batch})"
            ),
        ),
        (
            now,
            format!(
                "DELETE FROM ceremonies WHERE id_hash IN (SELECT id_hash FROM ceremonies WHERE expires_at < ?1 ORDER BY expires_at LIMIT {batch})"
            ),
        ),
        (
            now - keep.code,
            format!(
                "DELETE FROM email_codes WHERE flow_id IN (SELECT flow_id FROM email_codes WHERE expires_at < ?1 ORDER BY expires_at LIMIT {batch})"
            ),
        ),
        (
            now - rules::DAY,
            format!(
                "DELETE FROM email_code_events WHERE id IN (SELECT id FROM email_code_events WHERE at < ?1 ORDER BY at LIMIT {batch})"
            ),
        ),
        (
            now - keep.network,
            format!(
                "DELETE FROM sign_in_networks WHERE (uid, network) IN (SELECT uid, network FROM sign_in_networks WHERE last_at < ?1 ORDER BY last_at LIMIT {batch})"
            ),
        ),
        (
            now,
            format!(
                "DELETE FROM released_addresses WHERE email IN (SELECT email FROM released_addresses WHERE until < ?1 ORDER BY until LIMIT {batch})"
            ),
        ),
    ] {
        let count = tx.execute(&sql, args![before]).await?;
        deleted += count;
        more |= count == u64::from(keep.batch);
    }
    let (sessions, position) = sweep_sessions(tx, now, keep, after).await?;
    let swept = Swept {
        deleted: deleted + sessions,
        more: more || position.is_some(),
    };
    Ok((swept, position))
}

/// Walks the sessions in the order of their ids, one batch per sweep, so that the hot path needs no
/// index for this. Returns where the next sweep continues, or `None` at the end of the table.
async fn sweep_sessions(
    tx: &mut Tx<'_>,
    now: Timestamp,
    keep: &Retention,
    after: Option<&[u8]>,
) -> Result<(u64, Option<Vec<u8>>)> {
    let after = after.unwrap_or_default();
    // Not `max(sid)`, since PostgreSQL before 18 has no maximum of bytes.
    let sql = "SELECT sid FROM (SELECT sid FROM sessions WHERE sid > ?1 ORDER BY sid LIMIT ?2) batch
        ORDER BY sid DESC LIMIT 1";
    let last: Option<Vec<u8>> = tx.find(sql, args![after, keep.batch], only).await?;
    let Some(last) = last else { return Ok((0, None)) };
    let deleted = tx
        .execute(
            "DELETE FROM sessions WHERE sid > ?1 AND sid <= ?2 AND challenge_at < ?3
             AND (ended_at < ?4 OR expires_at < ?4 OR rotated_at < ?5)",
            args![
                after,
                last,
                now - keep.challenge,
                now - keep.session,
                now - keep.session - keep.session_idle,
            ],
        )
        .await?;
    Ok((deleted, Some(last)))
}

pub(super) async fn mark_recovered(
    tx: &mut Tx<'_>,
    at: Timestamp,
    end_sessions: bool,
    audit_context: &AuditContext,
) -> Result<u64> {
    let recovered_at = at.as_millisecond().to_string();
    let is_new = setting::get(tx, "recovered_at").await?.as_deref() != Some(&recovered_at);
    setting::set(tx, "recovered_at", &recovered_at).await?;
    rewound::unmark(tx).await?;
    let ended = if end_sessions {
        session::end_all(tx, audit_context).await? + user_session::end_all(tx, audit_context).await?
    } else {
        0
    };
    if !is_new && !end_sessions {
        return Ok(0);
    }
    let detail = format!("{ended} sessions ended");
    audit::note(
        tx,
        audit_context,
        AuditAction::DatabaseRecovered,
        None,
        None,
        None,
        Some(&detail),
    )
    .await?;
    announce(tx, audit_context.at, Change::Revocations).await?;
    announce(tx, audit_context.at, Change::SigningKeys).await?;
    Ok(ended)
}
