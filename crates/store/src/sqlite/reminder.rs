//! Reminders that keys end.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use tm_auth_core::api_key::reminder::{DAYS, due, span};

use super::row::{Id, damaged, ms, opt_ms};
use super::{SqliteStore, api_key};
use crate::{DueReminder, Reminders, Result};

#[async_trait]
impl Reminders for SqliteStore {
    async fn due_reminders(&self, now: Timestamp, limit: u32) -> Result<Vec<DueReminder>> {
        self.readers.read(move |db| find(db, now, limit)).await
    }

    async fn claim_reminder(&self, reminder: &DueReminder) -> Result<bool> {
        let (key_id, end, days) = (reminder.key.key_id, reminder.key.expires_at, reminder.days);
        self.writer
            .submit(move |tx| {
                let claimed = tx
                    .prepare_cached(
                        "UPDATE api_keys SET reminded_days = ?2
                         WHERE key_id = ?1 AND expires_at = ?3 AND revoked_at IS NULL
                           AND (reminded_days IS NULL OR reminded_days > ?2)",
                    )?
                    .execute(params![key_id.blob(), days, opt_ms(end)])?;
                Ok(claimed == 1)
            })
            .await
    }
}

fn find(db: &Connection, now: Timestamp, limit: u32) -> Result<Vec<DueReminder>> {
    // Reads no key whose reminder was sent: those of the next 30 days would be read every minute otherwise.
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
    let until = |days| ms(now + span(days));
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(
        params![
            ms(now),
            until(first),
            second,
            until(second),
            third,
            until(third),
            limit
        ],
        |row| {
            Ok((
                api_key::read(row),
                row.get::<_, Option<u8>>(19)?,
                row.get::<_, String>(20)?,
            ))
        },
    )?;
    rows.map(|row| {
        let (key, reminded, address) = row?;
        let key = key?;
        let days = due(key.expires_at, reminded, now).ok_or_else(|| damaged("a reminder that is not due"))?;
        Ok(DueReminder { key, address, days })
    })
    .collect()
}
