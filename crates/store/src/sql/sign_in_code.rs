//! Mailed codes and links.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::one_time_code::rules::{DAY, HOUR, OUTSTANDING, Outstanding, Sent, Tried};
use tm_auth_core::one_time_code::{CodeMac, FlowId, LIFE, Length, Purpose};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::row::{Row, damaged, parse};
use super::value::AsValue;
use super::{SqlStore, Tx, account, args, audit, identity};
use crate::sign_in_code::{CodeAttempt, CodeFlow, CodeOf, NewCode, ProvedEmail, SignInCodes};
use crate::{NewAccount, Origin, Result};

#[async_trait]
impl SignInCodes for SqlStore {
    async fn ask_for_code(&self, new: NewCode, origin: &Origin) -> Result<Option<Length>> {
        let origin = origin.clone();
        self.write(async move |tx| ask(tx, &new, &origin).await).await
    }

    async fn withdraw_code(&self, flow_id: FlowId) -> Result<()> {
        self.write(async move |tx| withdraw(tx, flow_id).await).await
    }

    async fn consume_code(
        &self,
        attempt: CodeAttempt,
        origin: &Origin,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        let origin = origin.clone();
        self.write(async move |tx| consume(tx, &attempt, &origin).await)
            .await
    }

    async fn consume_link(
        &self,
        link_hash: SecretHash,
        browser_hash: SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        self.write(async move |tx| consume_link(tx, &link_hash, &browser_hash, purpose, now).await)
            .await
    }

    async fn code_flow(&self, browser_hash: SecretHash, now: Timestamp) -> Result<Option<CodeFlow>> {
        self.read(async move |tx| flow(tx, &browser_hash, now).await)
            .await
    }

    async fn account_by_proved_email(
        &self,
        proved: ProvedEmail,
        new: NewAccount,
        origin: &Origin,
    ) -> Result<Result<Account, Refusal>> {
        let origin = origin.clone();
        self.write(async move |tx| account_of(tx, &proved, &new, &origin).await)
            .await
    }
}

// --- asking ---

async fn ask(tx: &mut Tx<'_>, new: &NewCode, origin: &Origin) -> Result<Option<Length>> {
    let (email, network, now) = (new.email.as_str(), new.network.as_str(), new.asked_at);
    let owner = account::by_email(tx, email).await?;
    let sent = Sent {
        to_network: times(
            tx,
            "SELECT at FROM code_events WHERE email = ?1 AND kind = 'sent' AND network = ?2 AND at > ?3",
            email,
            network,
            now - DAY,
        )
        .await?,
        in_all: tx
            .one(
                "SELECT count(*) FROM code_events WHERE email = ?1 AND kind = 'sent' AND at > ?2",
                args![email, now - DAY],
            )
            .await?
            .get(0)?,
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
    if !sent.may_send(now) {
        return Ok(None);
    }
    let length = tried(tx, email, network, now).await?.length();
    make_room(tx, email, network, now).await?;
    let (purpose, uid) = purpose_columns(new.purpose);
    tx.execute(
        "INSERT INTO sign_in_codes (flow_id, email, network, purpose, uid, is_long, code_mac, link_hash, browser_hash, asked_at, expires_at)
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
    note_event(tx, "sent", email, network, now, 0).await?;
    // Where there is no account it is nobody's trail, but as much work: time tells nobody which it was.
    let uid = uid.or(owner.map(|owner| owner.uid));
    audit::note(tx, origin, "code_sent", uid, None, None, None).await?;
    Ok(Some(length))
}

/// The oldest codes of this network go, so that with the next one there are no more than it may have.
async fn make_room(tx: &mut Tx<'_>, email: &str, network: &str, now: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM sign_in_codes WHERE flow_id IN (
             SELECT flow_id FROM sign_in_codes
             WHERE email = ?1 AND network = ?2 AND used_at IS NULL AND expires_at > ?3
             ORDER BY asked_at DESC, flow_id DESC LIMIT 1000 OFFSET ?4)",
        args![email, network, now, OUTSTANDING - 1],
    )
    .await?;
    Ok(())
}

async fn withdraw(tx: &mut Tx<'_>, flow_id: FlowId) -> Result<()> {
    tx.execute(
        "DELETE FROM code_events WHERE id = (
             SELECT max(e.id) FROM code_events e JOIN sign_in_codes c
             ON e.email = c.email AND e.network = c.network AND e.at = c.asked_at
             WHERE c.flow_id = ?1 AND e.kind = 'sent')",
        args![flow_id],
    )
    .await?;
    tx.execute("DELETE FROM sign_in_codes WHERE flow_id = ?1", args![flow_id])
        .await?;
    Ok(())
}

// --- proving ---

/// A live code, with what it takes to compare and use it.
struct Candidate {
    email: String,
    outstanding: Outstanding,
    mac: CodeMac,
}

async fn consume(
    tx: &mut Tx<'_>,
    attempt: &CodeAttempt,
    origin: &Origin,
) -> Result<Result<ProvedEmail, Refusal>> {
    let (network, now) = (attempt.network.as_str(), attempt.now);
    let candidates = candidates(tx, attempt).await?;
    let Some(email) = candidates.first().map(|candidate| candidate.email.clone()) else {
        // There is nothing that could be guessed.
        return Ok(Err(Refusal::InvalidCode));
    };
    let outstanding: Vec<Outstanding> = candidates
        .iter()
        .map(|candidate| candidate.outstanding.clone())
        .collect();
    let tried = tried(tx, &email, network, now).await?;
    let compared = tried.comparable(&outstanding, network, now);
    let right = if compared.is_empty() {
        None
    } else {
        let short = compared
            .iter()
            .filter(|code| code.length == Length::Short)
            .count();
        let counted = note_event(tx, "failed", &email, network, now, short).await?;
        let right = candidates
            .iter()
            .filter(|candidate| compared.contains(&&candidate.outstanding))
            .find(|candidate| {
                attempt
                    .typed
                    .matches(candidate.outstanding.flow_id, &candidate.mac)
            });
        if right.is_some() {
            tx.execute("DELETE FROM code_events WHERE id = ?1", args![counted])
                .await?;
        }
        right
    };
    let Some(right) = right else {
        let owner = match attempt.purpose {
            Purpose::SetEmail(uid) => Some(uid),
            Purpose::SignIn => account::by_email(tx, &email).await?.map(|owner| owner.uid),
        };
        audit::note(tx, origin, "code_refused", owner, None, None, None).await?;
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
        "SELECT email, flow_id, network, is_long, asked_at, code_mac FROM sign_in_codes
         WHERE used_at IS NULL AND expires_at > ?1 AND purpose = ?2 AND uid IS NOT DISTINCT FROM ?3 AND {condition}"
    );
    let rows = tx
        .rows(
            &sql,
            &[attempt.now.as_value(), purpose.as_value(), uid.as_value(), key],
        )
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Candidate> {
    Ok(Candidate {
        email: row.get(0)?,
        outstanding: Outstanding {
            flow_id: FlowId(row.get(1)?),
            network: row.get(2)?,
            length: if row.get(3)? { Length::Long } else { Length::Short },
            asked_at: row.get(4)?,
        },
        mac: CodeMac(row.get(5)?),
    })
}

async fn consume_link(
    tx: &mut Tx<'_>,
    link_hash: &SecretHash,
    browser_hash: &SecretHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Result<ProvedEmail, Refusal>> {
    let (word, uid) = purpose_columns(purpose);
    let found = tx
        .row(
            "SELECT flow_id, email FROM sign_in_codes WHERE link_hash = ?1 AND browser_hash = ?2
             AND purpose = ?3 AND uid IS NOT DISTINCT FROM ?4 AND used_at IS NULL AND expires_at > ?5",
            args![link_hash, browser_hash, word, uid, now],
        )
        .await?;
    let Some(found) = found else {
        return Ok(Err(Refusal::InvalidCode));
    };
    use_up(tx, FlowId(found.get(0)?), now).await?;
    Ok(Ok(ProvedEmail {
        email: parse(found.get(1)?)?,
        purpose,
    }))
}

/// Uses up a code, and with it the others of the same browser: the sign-in they were for is done.
async fn use_up(tx: &mut Tx<'_>, flow_id: FlowId, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE sign_in_codes SET used_at = ?2 WHERE used_at IS NULL AND (flow_id = ?1
         OR browser_hash = (SELECT browser_hash FROM sign_in_codes WHERE flow_id = ?1))",
        args![flow_id, now],
    )
    .await?;
    Ok(())
}

async fn flow(tx: &mut Tx<'_>, browser_hash: &SecretHash, now: Timestamp) -> Result<Option<CodeFlow>> {
    let row = tx
        .row(
            "SELECT email, purpose, uid, expires_at FROM sign_in_codes
             WHERE browser_hash = ?1 AND used_at IS NULL AND expires_at > ?2 ORDER BY asked_at DESC LIMIT 1",
            args![browser_hash, now],
        )
        .await?;
    row.map(|row| {
        Ok(CodeFlow {
            email: parse(row.get(0)?)?,
            purpose: match (row.get(1)?, row.get(2)?) {
                ("sign_in", None) => Purpose::SignIn,
                ("set_email", Some(uid)) => Purpose::SetEmail(uid),
                (other, _) => return Err(damaged(format!("a code for {other}"))),
            },
            expires_at: row.get(3)?,
        })
    })
    .transpose()
}

// --- the account ---

async fn account_of(
    tx: &mut Tx<'_>,
    proved: &ProvedEmail,
    new: &NewAccount,
    origin: &Origin,
) -> Result<Result<Account, Refusal>> {
    let email = proved.email.as_str();
    if proved.purpose != Purpose::SignIn {
        return Ok(Err(Refusal::InvalidCode));
    }
    match account::by_email(tx, email).await? {
        Some(account) if account.disabled_at.is_some() => return Ok(Err(Refusal::AccountDisabled)),
        Some(account) => return Ok(Ok(account)),
        None => {}
    }
    if resting(tx, email, new.created_at).await?.is_some() {
        return Ok(Err(Refusal::AddressResting));
    }
    identity::wake(tx, email).await?;
    let new = NewAccount {
        email: Some(email.to_owned()),
        ..new.clone()
    };
    let made = account::create(tx, &new, origin).await?;
    Ok(made.ok_or(Refusal::InvalidCode))
}

/// The account that gave this address up, while it rests.
pub(super) async fn resting(tx: &mut Tx<'_>, email: &str, now: Timestamp) -> Result<Option<AccountId>> {
    let row = tx
        .row(
            "SELECT uid FROM released_addresses WHERE email = ?1 AND until > ?2",
            args![email, now],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

// --- the books ---

/// What has been tried on an address, as the rules ask for it.
async fn tried(tx: &mut Tx<'_>, email: &str, network: &str, now: Timestamp) -> Result<Tried> {
    Ok(Tried {
        by_network: times(
            tx,
            "SELECT at FROM code_events WHERE email = ?1 AND kind = 'failed' AND network = ?2 AND at > ?3",
            email,
            network,
            now - HOUR,
        )
        .await?,
        short_comparisons: tx
            .one(
                "SELECT CAST(coalesce(sum(short_codes), 0) AS BIGINT) FROM code_events
                 WHERE email = ?1 AND kind = 'failed' AND at > ?2",
                args![email, now - DAY],
            )
            .await?
            .get(0)?,
        short_outstanding: tx
            .one(
                "SELECT count(*) FROM sign_in_codes
                 WHERE email = ?1 AND is_long = 0 AND used_at IS NULL AND expires_at > ?2",
                args![email, now],
            )
            .await?
            .get(0)?,
    })
}

async fn times(
    tx: &mut Tx<'_>,
    sql: &str,
    email: &str,
    network: &str,
    after: Timestamp,
) -> Result<Vec<Timestamp>> {
    let rows = tx.rows(sql, args![email, network, after]).await?;
    rows.iter().map(|row| row.get(0)).collect()
}

async fn note_event(
    tx: &mut Tx<'_>,
    kind: &str,
    email: &str,
    network: &str,
    at: Timestamp,
    short: usize,
) -> Result<i64> {
    let short = i64::try_from(short).map_err(damaged)?;
    let row = tx
        .one(
            "INSERT INTO code_events (kind, email, network, at, short_codes) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
            args![kind, email, network, at, short],
        )
        .await?;
    row.get(0)
}

fn purpose_columns(purpose: Purpose) -> (&'static str, Option<AccountId>) {
    match purpose {
        Purpose::SignIn => ("sign_in", None),
        Purpose::SetEmail(uid) => ("set_email", Some(uid)),
    }
}
