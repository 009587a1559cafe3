//! Verifying an address with a code or a link.

use jiff::Timestamp;
use tm_auth_core::Refusal;
use tm_auth_core::email_code::rules::Outstanding;
use tm_auth_core::email_code::{CodeMac, FlowId, Length, Purpose};
use tm_auth_core::secret::SecretHash;

use super::super::row::{damaged, parse};
use super::super::value::AsValue;
use super::super::{Columns, Tx, account, args, audit};
use super::{events, purpose_columns};
use crate::email_code::{CodeAttempt, CodeFlow, CodeOf, ProvedEmail};
use crate::{AuditAction, AuditContext, Result};

/// A live code that an attempt is compared with.
pub(in crate::sql) struct Candidate {
    email: String,
    outstanding: Outstanding,
    mac: CodeMac,
}

pub(super) async fn consume(
    tx: &mut Tx<'_>,
    attempt: &CodeAttempt,
    audit_context: &AuditContext,
) -> Result<Result<ProvedEmail, Refusal>> {
    let (network, now) = (attempt.network.as_str(), attempt.now);
    let candidates = candidates(tx, attempt).await?;
    let Some(email) = candidates.first().map(|candidate| candidate.email.clone()) else {
        // Not counted, since there is no code to guess.
        return Ok(Err(Refusal::InvalidCode));
    };
    let outstanding: Vec<Outstanding> = candidates
        .iter()
        .map(|candidate| candidate.outstanding.clone())
        .collect();
    let tried = events::tried(tx, &email, network, now).await?;
    let compared = tried.comparable(&outstanding, network, now);
    let right = if compared.is_empty() {
        None
    } else {
        let short = compared
            .iter()
            .filter(|code| code.length == Length::Short)
            .count();
        let counted = events::note(tx, "failed", &email, network, None, now, short).await?;
        let right = candidates
            .iter()
            .filter(|candidate| compared.contains(&&candidate.outstanding))
            .find(|candidate| {
                attempt
                    .typed
                    .matches(candidate.outstanding.flow_id, &candidate.mac)
            });
        if right.is_some() {
            tx.execute("DELETE FROM email_code_events WHERE id = ?1", args![counted])
                .await?;
        }
        right
    };
    let Some(right) = right else {
        let owner = match attempt.purpose {
            Purpose::SetEmail(uid) => Some(uid),
            Purpose::SignIn => account::by_email(tx, &email).await?.map(|owner| owner.uid),
        };
        audit::note(
            tx,
            audit_context,
            AuditAction::CodeRefused,
            owner,
            None,
            None,
            None,
        )
        .await?;
        return Ok(Err(Refusal::InvalidCode));
    };
    use_up(tx, right.outstanding.flow_id, now).await?;
    Ok(Ok(ProvedEmail {
        email: parse(&email)?,
        purpose: attempt.purpose,
    }))
}

async fn candidates(tx: &mut Tx<'_>, attempt: &CodeAttempt) -> Result<Vec<Candidate>> {
    let (purpose, uid) = purpose_columns(attempt.purpose);
    let (condition, key) = match &attempt.of {
        CodeOf::Address(email) => ("email = ?4 AND browser_hash IS NULL", email.as_str().as_value()),
        CodeOf::Browser(browser_hash) => ("browser_hash = ?4", browser_hash.as_value()),
    };
    let sql = format!(
        "SELECT {CANDIDATE} FROM email_codes
         WHERE used_at IS NULL AND expires_at > ?1 AND purpose = ?2 AND uid IS NOT DISTINCT FROM ?3 AND {condition}"
    );
    let args = [attempt.now.as_value(), purpose.as_value(), uid.as_value(), key];
    tx.list(&sql, &args, read_candidate).await
}

/// The columns that [`read_candidate`] reads.
pub(in crate::sql) const CANDIDATE: &str = "email, flow_id, network, is_long, asked_at, code_mac";

pub(in crate::sql) fn read_candidate(columns: &mut Columns<'_>) -> Result<Candidate> {
    Ok(Candidate {
        email: columns.next()?,
        outstanding: Outstanding {
            flow_id: FlowId(columns.next()?),
            network: columns.next()?,
            length: if columns.next()? {
                Length::Long
            } else {
                Length::Short
            },
            asked_at: columns.next()?,
        },
        mac: CodeMac(columns.next()?),
    })
}

pub(super) async fn consume_link(
    tx: &mut Tx<'_>,
    link_hash: &SecretHash,
    browser_hash: &SecretHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Result<ProvedEmail, Refusal>> {
    let (word, uid) = purpose_columns(purpose);
    let sql = "SELECT flow_id, email FROM email_codes WHERE link_hash = ?1 AND browser_hash = ?2
        AND purpose = ?3 AND uid IS NOT DISTINCT FROM ?4 AND used_at IS NULL AND expires_at > ?5";
    let found = tx
        .find(sql, args![link_hash, browser_hash, word, uid, now], |columns| {
            Ok((FlowId(columns.next()?), parse(columns.next()?)?))
        })
        .await?;
    let Some((flow_id, email)) = found else {
        return Ok(Err(Refusal::InvalidCode));
    };
    use_up(tx, flow_id, now).await?;
    Ok(Ok(ProvedEmail { email, purpose }))
}

/// Uses up a code and all other codes of the same browser.
async fn use_up(tx: &mut Tx<'_>, flow_id: FlowId, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE email_codes SET used_at = ?2 WHERE used_at IS NULL AND (flow_id = ?1
         OR browser_hash = (SELECT browser_hash FROM email_codes WHERE flow_id = ?1))",
        args![flow_id, now],
    )
    .await?;
    Ok(())
}

pub(super) async fn flow(
    tx: &mut Tx<'_>,
    browser_hash: &SecretHash,
    now: Timestamp,
) -> Result<Option<CodeFlow>> {
    let sql = "SELECT email, purpose, uid, expires_at FROM email_codes
        WHERE browser_hash = ?1 AND used_at IS NULL AND expires_at > ?2 ORDER BY asked_at DESC LIMIT 1";
    tx.find(sql, args![browser_hash, now], |columns| {
        Ok(CodeFlow {
            email: parse(columns.next()?)?,
            purpose: match (columns.next()?, columns.next()?) {
                ("sign_in", None) => Purpose::SignIn,
                ("set_email", Some(uid)) => Purpose::SetEmail(uid),
                (other, _) => return Err(damaged(format!("unknown purpose of a code: {other}"))),
            },
            expires_at: columns.next()?,
        })
    })
    .await
}
