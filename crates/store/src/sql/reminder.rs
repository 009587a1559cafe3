//! Reminders that API keys are about to expire.

use jiff::Timestamp;
use tm_auth_core::api_key::reminder::{DAYS, due, span};

use super::row::damaged;
use super::{Store, Tx, api_key, args};
use crate::{Call, DueReminder, Result};

impl Store {
    /// Returns up to `limit` reminders that are due according to
    /// [`tm_auth_core::api_key::reminder::due`], earliest expiry first. The key must be activated
    /// and not revoked; it may be disabled. Its account must be enabled and have an e-mail address.
    pub fn due_reminders(&self, now: Timestamp, limit: u32) -> Call<'_, Vec<DueReminder>> {
        Box::pin(self.read(async move |tx| find(tx, now, limit).await))
    }

    /// Claims a reminder and writes its mail. `false`: another caller claimed it, or the key was
    /// revoked or got another expiry since.
    pub fn claim_reminder(&self, reminder: &DueReminder) -> Call<'_, bool> {
        let (reminder, outbox) = (reminder.clone(), self.outbox());
        Box::pin(self.write_read_committed(async move |tx| {
            let claimed = tx
                .execute(
                    "UPDATE api_keys SET reminded_days = ?2
                     WHERE key_id = ?1 AND expires_at = ?3 AND revoked_at IS NULL
                       AND (reminded_days IS NULL OR reminded_days > ?2)",
                    args![reminder.key.key_id, reminder.days, reminder.key.expires_at],
                )
                .await?;
            if claimed == 1 {
                outbox.remind(tx, &reminder).await?;
            }
            Ok(claimed == 1)
        }))
    }
}

async fn find(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<DueReminder>> {
    // The SQL already skips keys whose reminder was sent. Otherwise every node would read all keys
    // that expire within 30 days every minute.
    let sql = format!(
        "SELECT {}, k.reminded_days, coalesce(a.email, a.contact_email) {}
         WHERE k.revoked_at IS NULL AND k.activated_at IS NOT NULL AND a.disabled_at IS NULL
           AND coalesce(a.email, a.contact_email) IS NOT NULL
           AND k.expires_at > ?1 AND k.expires_at <= ?2
           AND (k.reminded_days IS NULL OR (k.reminded_days > ?3 AND k.expires_at <= ?4)
                OR (k.reminded_days > ?5 AND k.expires_at <= ?6))
         ORDER BY k.expires_at, k.key_id LIMIT ?7",
        api_key::COLUMNS,
        api_key::FROM,
    );
    let [first, second, third] = DAYS;
    let until = |days| now + span(days);
    tx.list(
        &sql,
        args![
            now,
            until(first),
            second,
            until(second),
            third,
            until(third),
            limit
        ],
        |columns| {
            let key = api_key::read(columns)?;
            let days = due(key.expires_at, columns.next()?, now)
                .ok_or_else(|| damaged("a reminder that is not due"))?;
            Ok(DueReminder {
                key,
                address: columns.next()?,
                days,
                found_at: now,
            })
        },
    )
    .await
}
