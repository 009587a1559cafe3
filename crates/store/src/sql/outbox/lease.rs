//! Nodes that send the mail that waits.

use jiff::Timestamp;
use tm_auth_proto::AccountId;

use super::{NoticePayload, only};
use crate::outbox::{
    ExpiredMail, LeasedMail, MAX_CODES, MailContent, MailId, MailKind, MailLease, Postponed, WaitingMail,
    WaitingNotice,
};
use crate::sql::{Columns, Store, Tx, args};
use crate::{Call, Result};

/// The most expired mails that one call drops.
const BATCH: u32 = 500;

impl Store {
    /// Leases mail that is due, each kind in the order in which it became due. Two nodes never
    /// lease the same mail at the same time.
    pub fn lease_mail(&self, lease: MailLease) -> Call<'_, Vec<LeasedMail>> {
        Box::pin(async move {
            let due = self.read(async move |tx| due(tx, &lease).await).await?;
            if due.is_empty() {
                return Ok(Vec::new());
            }
            self.write_read_committed(async move |tx| {
                let mut leased = Vec::new();
                for (id, due_at) in &due {
                    leased.extend(take(tx, &lease, id, *due_at).await?);
                }
                Ok(leased)
            })
            .await
        })
    }

    /// Leases the notices of an account that are held for this recipient, oldest first. Those of the
    /// same lease are among them. `most` does not count.
    pub fn lease_held_notices(
        &self,
        lease: MailLease,
        uid: AccountId,
        recipient: String,
    ) -> Call<'_, Vec<LeasedMail>> {
        Box::pin(self.write_read_committed(async move |tx| {
            let sql = format!(
                "UPDATE outbox SET due_at = ?5, leased_by = ?3
                 WHERE uid = ?1 AND recipient = ?2 AND held = 1
                   AND (leased_by IS NULL OR (leased_by = ?3 AND due_at = ?5) OR due_at <= ?4)
                 RETURNING {COLUMNS}"
            );
            let mut leased = tx
                .list(
                    &sql,
                    args![uid, recipient, lease.node, lease.now, lease.until],
                    read,
                )
                .await?;
            leased.sort_by_key(|mail| (mail.created_at, mail.id));
            Ok(leased)
        }))
    }

    /// Removes mail that was sent, or that can never be sent, if this node has leased it.
    pub fn remove_mail(&self, node: [u8; 16], ids: Vec<MailId>) -> Call<'_, ()> {
        Box::pin(self.write_read_committed(async move |tx| {
            for id in &ids {
                tx.execute(
                    "DELETE FROM outbox WHERE id = ?1 AND leased_by = ?2",
                    args![id, node],
                )
                .await?;
            }
            Ok(())
        }))
    }

    /// Ends the lease of mail that this node has leased and makes it due at `due_at`.
    pub fn postpone_mail(
        &self,
        node: [u8; 16],
        ids: Vec<MailId>,
        why: Postponed,
        due_at: Timestamp,
    ) -> Call<'_, ()> {
        Box::pin(self.write_read_committed(async move |tx| {
            for id in &ids {
                tx.execute(
                    "UPDATE outbox SET due_at = ?3, leased_by = NULL, attempts = attempts + ?4,
                        held = CASE WHEN ?5 = 1 THEN 1 ELSE held END
                     WHERE id = ?1 AND leased_by = ?2",
                    args![
                        id,
                        node,
                        due_at,
                        i64::from(why == Postponed::Failed),
                        why == Postponed::Held
                    ],
                )
                .await?;
            }
            Ok(())
        }))
    }

    /// Drops mail whose time is over, one bounded batch.
    pub fn drop_expired_mail(&self, now: Timestamp) -> Call<'_, Vec<ExpiredMail>> {
        Box::pin(async move {
            if self.read(async move |tx| has_expired(tx, now).await).await? {
                self.write_read_committed(async move |tx| drop_expired(tx, now).await)
                    .await
            } else {
                Ok(Vec::new())
            }
        })
    }

    /// Returns how much mail of each kind waits, for operators.
    pub fn waiting_mail(&self) -> Call<'_, Vec<WaitingMail>> {
        Box::pin(self.read(async |tx| {
            let mut waiting = Vec::new();
            for kind in MailKind::ALL {
                waiting.push(count(tx, kind).await?);
            }
            Ok(waiting)
        }))
    }
}

async fn due(tx: &mut Tx<'_>, lease: &MailLease) -> Result<Vec<(MailId, Timestamp)>> {
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    for (kind, found) in MailKind::ALL.into_iter().zip(&mut found) {
        let sql = "SELECT id, due_at FROM outbox WHERE kind = ?1 AND due_at <= ?2 AND expires_at > ?2
             ORDER BY due_at LIMIT ?3";
        *found = tx
            .list(sql, args![kind.as_str(), lease.now, lease.most], |columns| {
                Ok((columns.next()?, columns.next()?))
            })
            .await?;
    }
    let shares = shares(lease, found.each_ref().map(Vec::len));
    let picked = found.into_iter().zip(shares);
    Ok(picked
        .flat_map(|(due, share)| due.into_iter().take(share))
        .collect())
}

/// How many of the waiting codes, notices and reminders are leased.
fn shares(lease: &MailLease, [codes, notices, reminders]: [usize; 3]) -> [usize; 3] {
    let most = usize::try_from(lease.most).unwrap_or(usize::MAX);
    let of_codes = if lease.codes_first {
        most.div_ceil(2)
    } else {
        most / 2
    };
    let least = [codes.min(of_codes), notices.min(most - of_codes)];
    // What one leaves free goes to the other.
    let codes = codes.min(most - least[1]);
    let notices = notices.min(most - codes);
    [codes, notices, reminders.min(most - codes - notices)]
}

pub(in crate::sql) const COLUMNS: &str =
    "id, kind, uid, recipient, payload, request_id, created_at, attempts, more, held";

async fn has_expired(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool> {
    let sql = "SELECT 1 FROM outbox WHERE expires_at <= ?1 LIMIT 1";
    tx.exists(sql, args![now]).await
}

async fn drop_expired(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<ExpiredMail>> {
    // Another node may drop some of them at the same time. Each is returned to one of the two.
    // The outer condition keeps PostgreSQL from reading the whole index of ids.
    let sql = format!(
        "DELETE FROM outbox WHERE expires_at <= ?1 AND id IN (
             SELECT id FROM outbox WHERE expires_at <= ?1 ORDER BY expires_at LIMIT {BATCH})
         RETURNING request_id"
    );
    tx.list(&sql, args![now], |columns| {
        Ok(ExpiredMail {
            request_id: columns.next()?,
        })
    })
    .await
}

/// Leases a mail if no other node has leased it since it was read.
async fn take(
    tx: &mut Tx<'_>,
    lease: &MailLease,
    id: &MailId,
    due_at: Timestamp,
) -> Result<Option<LeasedMail>> {
    let sql = format!(
        "UPDATE outbox SET due_at = ?3, leased_by = ?4 WHERE id = ?1 AND due_at = ?2 RETURNING {COLUMNS}"
    );
    tx.find(&sql, args![id, due_at, lease.until, lease.node], read)
        .await
}

pub(in crate::sql) fn read(columns: &mut Columns<'_>) -> Result<LeasedMail> {
    let id = columns.next()?;
    let kind: &str = columns.next()?;
    let uid = columns.next()?;
    let recipient = columns.next()?;
    let payload: &[u8] = columns.next()?;
    let (request_id, created_at, attempts) = (columns.next()?, columns.next()?, columns.next()?);
    let (more, held) = (columns.next()?, columns.next()?);
    // A row that cannot be read must not keep the others from being sent.
    let content = match kind {
        "code" => MailContent::Code(payload.to_owned()),
        "notice" => match serde_json::from_slice::<NoticePayload>(payload) {
            Ok(NoticePayload { notice, ip }) => MailContent::Notice(WaitingNotice {
                notice,
                ip,
                uid,
                held,
                more,
            }),
            Err(_) => MailContent::Unreadable,
        },
        "reminder" => serde_json::from_slice(payload).map_or(MailContent::Unreadable, MailContent::Reminder),
        _ => MailContent::Unreadable,
    };
    Ok(LeasedMail {
        id,
        recipient,
        content,
        created_at,
        attempts,
        request_id,
    })
}

async fn count(tx: &mut Tx<'_>, kind: MailKind) -> Result<WaitingMail> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE kind = ?1 LIMIT ?2) waiting";
    let count = tx.value(sql, args![kind.as_str(), MAX_CODES]).await?;
    let sql = "SELECT created_at FROM outbox WHERE kind = ?1 ORDER BY created_at LIMIT 1";
    let oldest = tx.find(sql, args![kind.as_str()], only).await?;
    Ok(WaitingMail { kind, count, oldest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q10_codes_and_notices_have_half_of_the_places_each() {
        let lease = |most, codes_first| MailLease {
            node: [0; 16],
            most,
            codes_first,
            now: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
        };
        for (most, waiting, expected) in [
            (4, [9, 9, 9], [2, 2, 0]),
            (4, [9, 1, 9], [3, 1, 0]),
            (4, [1, 9, 9], [1, 3, 0]),
            (4, [1, 1, 9], [1, 1, 2]),
            (4, [0, 0, 9], [0, 0, 4]),
            (4, [0, 9, 9], [0, 4, 0]),
            (0, [9, 9, 9], [0, 0, 0]),
        ] {
            assert_eq!(shares(&lease(most, false), waiting), expected, "{waiting:?}");
        }
        assert_eq!(shares(&lease(1, true), [9, 9, 9]), [1, 0, 0]);
        assert_eq!(shares(&lease(1, false), [9, 9, 9]), [0, 1, 0]);
        assert_eq!(shares(&lease(3, false), [9, 9, 9]), [1, 2, 0]);
    }
}
