//! Requesting a code.

use jiff::Timestamp;
use tm_auth_core::email_code::rules::{DAY, MaySend, OUTSTANDING, Sent};
use tm_auth_core::email_code::{LIFE, Length};

use super::super::{Outbox, Tx, account, args, audit};
use super::{events, purpose_columns};
use crate::email_code::{AskedCode, NewCode};
use crate::{AuditAction, AuditContext, Result};

pub(super) async fn ask(
    tx: &mut Tx<'_>,
    new: &NewCode,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<AskedCode> {
    let (email, network, now) = (new.email.as_str(), new.network.as_str(), new.asked_at);
    let owner = account::by_email(tx, email).await?;
    let sent = Sent {
        to_network: events::times(
            tx,
            "SELECT at FROM email_code_events WHERE email = ?1 AND kind = 'sent' AND network = ?2 AND at > ?3",
            email,
            network,
            now - DAY,
        )
        .await?,
        to_site: events::times(
            tx,
            "SELECT at FROM email_code_events WHERE email = ?1 AND kind = 'sent' AND site = ?2 AND at > ?3",
            email,
            &new.site,
            now - DAY,
        )
        .await?,
        in_all: tx
            .value(
                "SELECT count(*) FROM email_code_events WHERE email = ?1 AND kind = 'sent' AND at > ?2",
                args![email, now - DAY],
            )
            .await?,
        known_network: match &owner {
            Some(owner) => {
                tx.exists(
                    "SELECT 1 FROM sign_in_networks WHERE uid = ?1 AND network = ?2",
                    args![owner.uid, network],
                )
                .await?
            }
            None => false,
        },
    };
    let length = match sent.may_send(now) {
        MaySend::Yes => events::tried(tx, email, network, now).await?.length(),
        MaySend::Long => Length::Long,
        MaySend::Wait(_) if has_outstanding(tx, new).await? => return Ok(AskedCode::NotSent),
        MaySend::Wait(wait) => return Ok(AskedCode::Wait(wait)),
        MaySend::No => return Ok(AskedCode::NotSent),
    };
    make_room(tx, email, network, now).await?;
    let (purpose, uid) = purpose_columns(new.purpose);
    tx.execute(
        "INSERT INTO email_codes (flow_id, email, network, purpose, uid, is_long, code_mac, link_hash, browser_hash, asked_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        args![
            new.flow_id,
            email,
            network,
            purpose,
            uid,
            length == Length::Long,
            match length {
                Length::Short => new.short,
                Length::Long => new.long,
            },
            new.browser.map(|browser| browser.link_hash),
            new.browser.map(|browser| browser.browser_hash),
            now,
            now + LIFE,
        ],
    )
    .await?;
    let sealed = match length {
        Length::Short => &new.mail.short,
        Length::Long => &new.mail.long,
    };
    outbox
        .mail_code(tx, new, sealed, audit_context.request_id.as_deref())
        .await?;
    events::note(tx, "sent", email, network, Some(&new.site), now, 0).await?;
    // If there is no account, the entry has no owner. It is written anyway, so that the time taken
    // does not reveal whether there is an account.
    let uid = uid.or(owner.map(|owner| owner.uid));
    audit::note(tx, audit_context, AuditAction::CodeSent, uid, None, None, None).await?;
    Ok(AskedCode::Sent(length))
}

/// Whether the client has a code that it can still use: one that a program requested from this
/// network, or one of this browser.
async fn has_outstanding(tx: &mut Tx<'_>, new: &NewCode) -> Result<bool> {
    let (email, now) = (new.email.as_str(), new.asked_at);
    match new.browser {
        None => {
            tx.exists(
                "SELECT 1 FROM email_codes WHERE email = ?1 AND network = ?2 AND browser_hash IS NULL
                   AND used_at IS NULL AND expires_at > ?3",
                args![email, new.network, now],
            )
            .await
        }
        Some(browser) => {
            tx.exists(
                "SELECT 1 FROM email_codes WHERE email = ?1 AND browser_hash = ?2
                   AND used_at IS NULL AND expires_at > ?3",
                args![email, browser.browser_hash, now],
            )
            .await
        }
    }
}

/// Deletes the network's oldest outstanding codes for the address, to make room for one more.
async fn make_room(tx: &mut Tx<'_>, email: &str, network: &str, now: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM email_codes WHERE flow_id IN (
             SELECT flow_id FROM email_codes
             WHERE email = ?1 AND network = ?2 AND used_at IS NULL AND expires_at > ?3
             ORDER BY asked_at DESC, flow_id DESC LIMIT 1000 OFFSET ?4)",
        args![email, network, now, OUTSTANDING - 1],
    )
    .await?;
    Ok(())
}
