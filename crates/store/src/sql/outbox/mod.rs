//! Mail in the transaction of the change that causes it.

mod lease;

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tm_auth_core::email_code::LIFE;
use tm_auth_proto::AccountId;

use super::row::{damaged, only};
use super::{Tx, args};
use crate::email_code::NewCode;
use crate::outbox::{MAX_NOTICES, MailId, MailKind, NOTICE_LIFE, Notice, Reminder};
use crate::{AuditContext, DueReminder, Result};
pub(super) use lease::{COLUMNS, read};

/// Whether mail is written. Each work that causes mail takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outbox {
    pub(super) is_kept: bool,
}

/// The payload of a notice.
#[derive(Serialize, Deserialize)]
struct NoticePayload {
    notice: Notice,
    ip: Option<IpAddr>,
}

struct NewMail<'a> {
    id: MailId,
    kind: MailKind,
    /// The account, if its notices may be put together.
    uid: Option<AccountId>,
    recipient: &'a str,
    payload: &'a [u8],
    request_id: Option<&'a str>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl Outbox {
    /// Tells the owner at the account's verified address, or else at its contact address, as they
    /// are now. An owner without an address is not told.
    pub(super) async fn tell(
        self,
        tx: &mut Tx<'_>,
        audit_context: &AuditContext,
        uid: AccountId,
        notice: &Notice,
    ) -> Result<()> {
        if !self.is_kept {
            return Ok(());
        }
        let sql = "SELECT coalesce(email, contact_email) FROM accounts WHERE uid = ?1";
        let address: Option<Option<String>> = tx.find(sql, args![uid], only).await?;
        match address.flatten() {
            Some(address) => self.tell_at(tx, audit_context, uid, &address, notice).await,
            None => Ok(()),
        }
    }

    /// Tells the owner at this address.
    pub(super) async fn tell_at(
        self,
        tx: &mut Tx<'_>,
        audit_context: &AuditContext,
        uid: AccountId,
        address: &str,
        notice: &Notice,
    ) -> Result<()> {
        if !self.is_kept || (!notice.is_last() && counted(tx, audit_context.at, uid).await?) {
            return Ok(());
        }
        let payload = NoticePayload {
            notice: notice.clone(),
            ip: audit_context.ip,
        };
        let payload = serde_json::to_vec(&payload).map_err(damaged)?;
        let request_id = audit_context.request_id.as_deref();
        // The same words about the same request are one notice.
        let id = hash(&[
            b"notice",
            uid.0.as_bytes(),
            &audit_context.at.as_microsecond().to_be_bytes(),
            request_id.unwrap_or_default().as_bytes(),
            &payload,
        ]);
        let mail = NewMail {
            id,
            kind: MailKind::Notice,
            uid: (!notice.is_last()).then_some(uid),
            recipient: address,
            payload: &payload,
            request_id,
            created_at: audit_context.at,
            expires_at: audit_context.at + NOTICE_LIFE,
        };
        insert(tx, &mail).await
    }

    /// Whether fewer than this number of codes wait.
    pub(super) async fn has_fewer_codes(self, tx: &mut Tx<'_>, number: u32) -> Result<bool> {
        if !self.is_kept {
            return Ok(true);
        }
        let sql = "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE kind = 'code' LIMIT ?1) waiting";
        let waiting: u32 = tx.value(sql, args![number]).await?;
        Ok(waiting < number)
    }

    /// Writes the mail of a code that was accepted, of the chosen length.
    pub(super) async fn mail_code(
        self,
        tx: &mut Tx<'_>,
        new: &NewCode,
        sealed: &[u8],
        request_id: Option<&str>,
    ) -> Result<()> {
        if !self.is_kept {
            return Ok(());
        }
        let mail = NewMail {
            id: new.flow_id.0,
            kind: MailKind::Code,
            uid: None,
            recipient: new.email.as_str(),
            payload: sealed,
            request_id,
            created_at: new.asked_at,
            expires_at: new.asked_at + LIFE,
        };
        insert(tx, &mail).await
    }

    /// Writes a reminder that was claimed.
    pub(super) async fn remind(self, tx: &mut Tx<'_>, due: &DueReminder) -> Result<()> {
        let Some(expires_at) = due.key.expires_at.filter(|_| self.is_kept) else {
            return Ok(());
        };
        let reminder = Reminder {
            label: due.key.label.clone(),
            days: due.days,
            expires_at,
        };
        let id = hash(&[
            b"reminder",
            due.key.key_id.0.as_bytes(),
            &[due.days],
            &expires_at.as_microsecond().to_be_bytes(),
        ]);
        let mail = NewMail {
            id,
            kind: MailKind::Reminder,
            uid: None,
            recipient: &due.address,
            payload: &serde_json::to_vec(&reminder).map_err(damaged)?,
            request_id: None,
            created_at: due.found_at,
            expires_at,
        };
        insert(tx, &mail).await
    }
}

/// Counts the change at the account's newest notice if [`MAX_NOTICES`] wait already.
async fn counted(tx: &mut Tx<'_>, now: Timestamp, uid: AccountId) -> Result<bool> {
    let sql = "SELECT count(*) FROM outbox WHERE uid = ?1";
    let waiting: u32 = tx.value(sql, args![uid]).await?;
    if waiting < MAX_NOTICES {
        return Ok(false);
    }
    // A notice that is being sent has been rendered. If all are, there is room for one more row.
    let sql = "UPDATE outbox SET more = more + 1 WHERE id = (
            SELECT id FROM outbox WHERE uid = ?1 AND (leased_by IS NULL OR due_at <= ?2)
            ORDER BY created_at DESC, id DESC LIMIT 1)";
    Ok(tx.execute(sql, args![uid, now]).await? == 1)
}

async fn insert(tx: &mut Tx<'_>, mail: &NewMail<'_>) -> Result<()> {
    tx.execute(
        "INSERT INTO outbox (id, kind, uid, recipient, payload, request_id, created_at, due_at, expires_at,
            attempts, more, held)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, 0, 0, 0) ON CONFLICT (id) DO NOTHING",
        args![
            mail.id,
            mail.kind.as_str(),
            mail.uid,
            mail.recipient,
            mail.payload,
            mail.request_id,
            mail.created_at,
            mail.expires_at,
        ],
    )
    .await?;
    Ok(())
}

/// A hash of parts, each with its length.
fn hash(parts: &[&[u8]]) -> MailId {
    let mut text = Vec::new();
    for part in parts {
        text.extend((part.len() as u64).to_be_bytes());
        text.extend(*part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&digest(&SHA256, &text).as_ref()[..16]);
    id
}
