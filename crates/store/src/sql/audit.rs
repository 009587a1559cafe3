//! The audit trail.

use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId, SessionId};

use super::row::parse;
use super::value::AsValue;
use super::{Columns, Store, Tx, args};
use crate::{AuditAction, AuditContext, AuditEntry, Call, History, Result};

impl Store {
    /// Adds entries to the audit trail.
    pub fn audit(&self, entries: Vec<AuditEntry>) -> Call<'_, ()> {
        Box::pin(self.write_read_committed(async move |tx| {
            for entry in &entries {
                add(tx, entry).await?;
            }
            Ok(())
        }))
    }

    /// Returns the newest entries of an account, or of all accounts.
    pub fn audit_trail(&self, uid: Option<AccountId>, limit: u32) -> Call<'_, Vec<AuditEntry>> {
        Box::pin(self.read(async move |tx| newest(tx, uid, limit).await))
    }

    /// Returns the newest entries of an account, or the newest ones before a time.
    ///
    /// A page holds `limit` entries, and further ones of the same time as its last. So the pages
    /// that [`History::older`] leads to neither repeat nor skip an entry.
    pub fn account_history(
        &self,
        uid: AccountId,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Call<'_, History> {
        Box::pin(self.read(async move |tx| history(tx, uid, None, before, limit).await))
    }

    /// Like [`Store::account_history`], but returns only entries about this key.
    pub fn key_history(
        &self,
        uid: AccountId,
        key_id: KeyId,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Call<'_, History> {
        Box::pin(self.read(async move |tx| history(tx, uid, Some(key_id), before, limit).await))
    }
}

/// Adds an entry in the transaction of the change that it describes.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    audit_context: &AuditContext,
    action: AuditAction,
    uid: Option<AccountId>,
    key_id: Option<KeyId>,
    sid: Option<SessionId>,
    detail: Option<&str>,
) -> Result<()> {
    let detail = detail.map(ToOwned::to_owned);
    add(
        tx,
        &AuditEntry {
            audit_context: audit_context.clone(),
            action,
            uid,
            key_id,
            sid,
            detail,
        },
    )
    .await
}

pub(super) async fn add(tx: &mut Tx<'_>, entry: &AuditEntry) -> Result<()> {
    let audit_context = &entry.audit_context;
    tx.execute(
        "INSERT INTO audit (at, action, actor, uid, key_id, sid, ip, request_id, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        args![
            audit_context.at,
            entry.action.as_str(),
            audit_context.actor,
            entry.uid,
            entry.key_id,
            entry.sid,
            audit_context.ip.map(|ip| ip.to_string()),
            audit_context.request_id,
            entry.detail,
        ],
    )
    .await?;
    tx.noted.push(entry.clone());
    Ok(())
}

/// The lines of the log for entries of a transaction. Dropping them writes them: they are dropped
/// once the commit is done, or cut short. If its outcome is unknown, a line too many does no harm.
pub(crate) struct AuditLines(Vec<AuditEntry>);

impl AuditLines {
    pub(crate) fn new(noted: Vec<AuditEntry>) -> Self {
        Self(noted)
    }

    /// Writes nothing, since the transaction was rolled back.
    pub(crate) fn discard(mut self) {
        self.0.clear();
    }
}

impl Drop for AuditLines {
    fn drop(&mut self) {
        self.0.iter().for_each(AuditEntry::log);
    }
}

pub(super) const COLUMNS: &str = "at, actor, ip, request_id, action, uid, key_id, sid, detail";

pub(super) async fn newest(tx: &mut Tx<'_>, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>> {
    match uid {
        // Two statements, since `?1 IS NULL OR uid = ?1` would use no index.
        Some(uid) => {
            let sql =
                format!("SELECT {COLUMNS} FROM audit WHERE uid = ?1 ORDER BY at DESC, id DESC LIMIT ?2");
            tx.list(&sql, args![uid, limit], read).await
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM audit ORDER BY id DESC LIMIT ?1");
            tx.list(&sql, args![limit], read).await
        }
    }
}

/// The entries of operators since this time, oldest first, with their numbers.
pub(super) async fn by_operators(tx: &mut Tx<'_>, since: Timestamp) -> Result<Vec<(i64, AuditEntry)>> {
    let sql = format!(
        "SELECT id, {COLUMNS} FROM audit WHERE at >= ?1 AND actor = 'operator' ORDER BY at, id LIMIT 1000"
    );
    tx.list(&sql, args![since], |columns| {
        Ok((columns.next()?, read(columns)?))
    })
    .await
}

async fn history(
    tx: &mut Tx<'_>,
    uid: AccountId,
    key_id: Option<KeyId>,
    before: Option<Timestamp>,
    limit: u32,
) -> Result<History> {
    let before = before.map_or(i64::MAX, Timestamp::as_millisecond);
    let mut args = vec![uid.as_value(), before.as_value()];
    args.extend(key_id.as_ref().map(AsValue::as_value));
    let entries = tx.list(&page_sql(key_id.is_some(), limit), &args, read).await?;
    let mut older = None;
    if let Some(oldest) = entries.last() {
        let oldest = oldest.audit_context.at;
        args[1] = oldest.as_value();
        let sql = format!(
            "SELECT 1 FROM audit WHERE {} LIMIT 1",
            before_sql(key_id.is_some())
        );
        older = tx.exists(&sql, &args).await?.then_some(oldest);
    }
    Ok(History { entries, older })
}

/// Selects the entries of a page: those that are not older than the entry that fills the page.
pub(crate) fn page_sql(of_key: bool, limit: u32) -> String {
    let before = before_sql(of_key);
    let last = limit.saturating_sub(1);
    format!(
        "SELECT {COLUMNS} FROM audit WHERE {before} AND at >= coalesce(
             (SELECT at FROM audit WHERE {before} ORDER BY at DESC, id DESC LIMIT 1 OFFSET {last}), 0)
         ORDER BY at DESC, id DESC"
    )
}

/// Two conditions instead of one with an optional key, so that an index serves each.
fn before_sql(of_key: bool) -> &'static str {
    if of_key {
        "uid = ?1 AND key_id = ?3 AND at < ?2"
    } else {
        "uid = ?1 AND at < ?2"
    }
}

pub(super) fn read(columns: &mut Columns<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        audit_context: AuditContext {
            at: columns.next()?,
            actor: columns.next()?,
            ip: columns.next::<Option<&str>>()?.map(parse).transpose()?,
            request_id: columns.next()?,
        },
        action: AuditAction::parse(columns.next()?),
        uid: columns.next()?,
        key_id: columns.next()?,
        sid: columns.next()?,
        detail: columns.next()?,
    })
}
