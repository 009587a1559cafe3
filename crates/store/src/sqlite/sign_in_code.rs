//! Mailed codes and links.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tm_auth_core::one_time_code::rules::{DAY, HOUR, OUTSTANDING, Outstanding, Sent, Tried};
use tm_auth_core::one_time_code::{CodeMac, FlowId, LIFE, Length, Purpose};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::row::{Id, bytes, damaged, id, ms, parse, time};
use super::{SqliteStore, account, audit, identity};
use crate::sign_in_code::{CodeAttempt, CodeFlow, CodeOf, NewCode, ProvedEmail, SignInCodes};
use crate::{NewAccount, Origin, Result};

#[async_trait]
impl SignInCodes for SqliteStore {
    async fn ask_for_code(&self, new: NewCode, origin: &Origin) -> Result<Option<Length>> {
        let origin = origin.clone();
        self.writer.submit(move |tx| ask(tx, &new, &origin)).await
    }

    async fn withdraw_code(&self, flow_id: FlowId) -> Result<()> {
        self.writer.submit(move |tx| withdraw(tx, flow_id)).await
    }

    async fn consume_code(
        &self,
        attempt: CodeAttempt,
        origin: &Origin,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        let origin = origin.clone();
        self.writer.submit(move |tx| consume(tx, &attempt, &origin)).await
    }

    async fn consume_link(
        &self,
        link_hash: SecretHash,
        browser_hash: SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        self.writer
            .submit(move |tx| consume_link(tx, &link_hash, &browser_hash, purpose, now))
            .await
    }

    async fn code_flow(&self, browser_hash: SecretHash, now: Timestamp) -> Result<Option<CodeFlow>> {
        self.readers.read(move |db| flow(db, &browser_hash, now)).await
    }

    async fn account_by_proved_email(
        &self,
        proved: ProvedEmail,
        new: NewAccount,
        origin: &Origin,
    ) -> Result<Result<Account, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| account_of(tx, &proved, &new, &origin))
            .await
    }
}

// --- asking ---

fn ask(tx: &Connection, new: &NewCode, origin: &Origin) -> Result<Option<Length>> {
    let (email, network, now) = (new.email.as_str(), new.network.as_str(), new.asked_at);
    let owner = account::by_email(tx, email)?;
    let sent = Sent {
        to_network: times(
            tx,
            "SELECT at FROM code_events WHERE email = ?1 AND kind = 'sent' AND network = ?2 AND at > ?3",
            email,
            network,
            now - DAY,
        )?,
        in_all: tx
            .prepare_cached(
                "SELECT count(*) FROM code_events WHERE email = ?1 AND kind = 'sent' AND at > ?2",
            )?
            .query_row(params![email, ms(now - DAY)], |row| row.get(0))?,
        known_network: match &owner {
            Some(owner) => tx
                .prepare_cached("SELECT 1 FROM sign_in_networks WHERE uid = ?1 AND network = ?2")?
                .exists(params![owner.uid.blob(), network])?,
            None => false,
        },
    };
    if !sent.may_send(now) {
        return Ok(None);
    }
    let length = tried(tx, email, network, now)?.length();
    make_room(tx, email, network, now)?;
    let (purpose, uid) = purpose_columns(new.purpose);
    tx.prepare_cached(
        "INSERT INTO sign_in_codes (flow_id, email, network, purpose, uid, is_long, code_mac, link_hash, browser_hash, asked_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        new.flow_id.0,
        email,
        network,
        purpose,
        uid.as_ref().map(Id::blob),
        length == Length::Long,
        match length {
            Length::Short => new.short.0,
            Length::Long => new.long.0,
        },
        new.browser.map(|browser| browser.link_hash.0),
        new.browser.map(|browser| browser.browser_hash.0),
        ms(now),
        ms(now + LIFE),
    ])?;
    note_event(tx, "sent", email, network, now, 0)?;
    // Where there is no account it is nobody's trail, but as much work: time tells nobody which it was.
    let uid = uid.or(owner.map(|owner| owner.uid));
    audit::note(tx, origin, "code_sent", uid, None, None, None)?;
    Ok(Some(length))
}

/// The oldest codes of this network go, so that with the next one there are no more than it may have.
fn make_room(tx: &Connection, email: &str, network: &str, now: Timestamp) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM sign_in_codes WHERE flow_id IN (
             SELECT flow_id FROM sign_in_codes
             WHERE email = ?1 AND network = ?2 AND used_at IS NULL AND expires_at > ?3
             ORDER BY asked_at DESC, flow_id DESC LIMIT 1000 OFFSET ?4)",
    )?
    .execute(params![email, network, ms(now), OUTSTANDING - 1])?;
    Ok(())
}

fn withdraw(tx: &Connection, flow_id: FlowId) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM code_events WHERE id = (
             SELECT max(e.id) FROM code_events e JOIN sign_in_codes c
             ON e.email = c.email AND e.network = c.network AND e.at = c.asked_at
             WHERE c.flow_id = ?1 AND e.kind = 'sent')",
    )?
    .execute([flow_id.0])?;
    tx.prepare_cached("DELETE FROM sign_in_codes WHERE flow_id = ?1")?
        .execute([flow_id.0])?;
    Ok(())
}

// --- proving ---

/// A live code, with what it takes to compare and use it.
struct Candidate {
    email: String,
    outstanding: Outstanding,
    mac: CodeMac,
}

fn consume(tx: &Connection, attempt: &CodeAttempt, origin: &Origin) -> Result<Result<ProvedEmail, Refusal>> {
    let (network, now) = (attempt.network.as_str(), attempt.now);
    let candidates = candidates(tx, attempt)?;
    let Some(email) = candidates.first().map(|candidate| candidate.email.clone()) else {
        // There is nothing that could be guessed.
        return Ok(Err(Refusal::InvalidCode));
    };
    let outstanding: Vec<Outstanding> = candidates
        .iter()
        .map(|candidate| candidate.outstanding.clone())
        .collect();
    let tried = tried(tx, &email, network, now)?;
    let compared = tried.comparable(&outstanding, network, now);
    let right = if compared.is_empty() {
        None
    } else {
        let short = compared
            .iter()
            .filter(|code| code.length == Length::Short)
            .count();
        let counted = note_event(tx, "failed", &email, network, now, short)?;
        let right = candidates
            .iter()
            .filter(|candidate| compared.contains(&&candidate.outstanding))
            .find(|candidate| {
                attempt
                    .typed
                    .matches(candidate.outstanding.flow_id, &candidate.mac)
            });
        if right.is_some() {
            tx.prepare_cached("DELETE FROM code_events WHERE id = ?1")?
                .execute([counted])?;
        }
        right
    };
    let Some(right) = right else {
        let owner = match attempt.purpose {
            Purpose::SetEmail(uid) => Some(uid),
            Purpose::SignIn => account::by_email(tx, &email)?.map(|owner| owner.uid),
        };
        audit::note(tx, origin, "code_refused", owner, None, None, None)?;
        return Ok(Err(Refusal::InvalidCode));
    };
    use_up(tx, right.outstanding.flow_id, now)?;
    Ok(Ok(ProvedEmail {
        email: parse(&email)?,
        purpose: attempt.purpose,
    }))
}

fn candidates(tx: &Connection, attempt: &CodeAttempt) -> Result<Vec<Candidate>> {
    let (purpose, uid) = purpose_columns(attempt.purpose);
    let (condition, key) = match &attempt.of {
        CodeOf::Address(email) => (
            "email = ?4 AND browser_hash IS NULL",
            Value::from(email.to_string()),
        ),
        CodeOf::Browser(browser_hash) => ("browser_hash = ?4", Value::from(browser_hash.0.to_vec())),
    };
    let sql = format!(
        "SELECT email, flow_id, network, is_long, asked_at, code_mac FROM sign_in_codes
         WHERE used_at IS NULL AND expires_at > ?1 AND purpose = ?2 AND uid IS ?3 AND {condition}"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(
        params![ms(attempt.now), purpose, uid.as_ref().map(Id::blob), key],
        |row| Ok(read(row)),
    )?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<Candidate> {
    Ok(Candidate {
        email: row.get(0)?,
        outstanding: Outstanding {
            flow_id: FlowId(bytes(row.get(1)?)?),
            network: row.get(2)?,
            length: if row.get(3)? { Length::Long } else { Length::Short },
            asked_at: time(row.get(4)?)?,
        },
        mac: CodeMac(bytes(row.get(5)?)?),
    })
}

fn consume_link(
    tx: &Connection,
    link_hash: &SecretHash,
    browser_hash: &SecretHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Result<ProvedEmail, Refusal>> {
    let (word, uid) = purpose_columns(purpose);
    let found = tx
        .prepare_cached(
            "SELECT flow_id, email FROM sign_in_codes WHERE link_hash = ?1 AND browser_hash = ?2
             AND purpose = ?3 AND uid IS ?4 AND used_at IS NULL AND expires_at > ?5",
        )?
        .query_row(
            params![
                link_hash.0,
                browser_hash.0,
                word,
                uid.as_ref().map(Id::blob),
                ms(now)
            ],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?)),
        )
        .optional()?;
    let Some((flow_id, email)) = found else {
        return Ok(Err(Refusal::InvalidCode));
    };
    use_up(tx, FlowId(bytes(flow_id)?), now)?;
    Ok(Ok(ProvedEmail {
        email: parse(&email)?,
        purpose,
    }))
}

/// Uses up a code, and with it the others of the same browser: the sign-in they were for is done.
fn use_up(tx: &Connection, flow_id: FlowId, now: Timestamp) -> Result<()> {
    tx.prepare_cached(
        "UPDATE sign_in_codes SET used_at = ?2 WHERE used_at IS NULL AND (flow_id = ?1
         OR browser_hash = (SELECT browser_hash FROM sign_in_codes WHERE flow_id = ?1))",
    )?
    .execute(params![flow_id.0, ms(now)])?;
    Ok(())
}

fn flow(db: &Connection, browser_hash: &SecretHash, now: Timestamp) -> Result<Option<CodeFlow>> {
    db.prepare_cached(
        "SELECT email, purpose, uid, expires_at FROM sign_in_codes
         WHERE browser_hash = ?1 AND used_at IS NULL AND expires_at > ?2 ORDER BY asked_at DESC LIMIT 1",
    )?
    .query_row(params![browser_hash.0, ms(now)], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, Option<Vec<u8>>>(2)?,
            row.get(3)?,
        ))
    })
    .optional()?
    .map(|(email, purpose, uid, expires_at)| {
        Ok(CodeFlow {
            email: parse(&email)?,
            purpose: match (purpose.as_str(), uid) {
                ("sign_in", None) => Purpose::SignIn,
                ("set_email", Some(uid)) => Purpose::SetEmail(id(&uid)?),
                (other, _) => return Err(damaged(format!("a code for {other}"))),
            },
            expires_at: time(expires_at)?,
        })
    })
    .transpose()
}

// --- the account ---

fn account_of(
    tx: &Connection,
    proved: &ProvedEmail,
    new: &NewAccount,
    origin: &Origin,
) -> Result<Result<Account, Refusal>> {
    let email = proved.email.as_str();
    if proved.purpose != Purpose::SignIn {
        return Ok(Err(Refusal::InvalidCode));
    }
    match account::by_email(tx, email)? {
        Some(account) if account.disabled_at.is_some() => return Ok(Err(Refusal::AccountDisabled)),
        Some(account) => return Ok(Ok(account)),
        None => {}
    }
    if resting(tx, email, new.created_at)?.is_some() {
        return Ok(Err(Refusal::AddressResting));
    }
    identity::wake(tx, email)?;
    let new = NewAccount {
        email: Some(email.to_owned()),
        ..new.clone()
    };
    let made = account::create(tx, &new, origin)?;
    Ok(made.ok_or(Refusal::InvalidCode))
}

/// The account that gave this address up, while it rests.
pub(super) fn resting(tx: &Connection, email: &str, now: Timestamp) -> Result<Option<AccountId>> {
    tx.prepare_cached("SELECT uid FROM released_addresses WHERE email = ?1 AND until > ?2")?
        .query_row(params![email, ms(now)], |row| row.get::<_, Vec<u8>>(0))
        .optional()?
        .map(|uid| id(&uid))
        .transpose()
}

// --- the books ---

/// What has been tried on an address, as the rules ask for it.
fn tried(tx: &Connection, email: &str, network: &str, now: Timestamp) -> Result<Tried> {
    Ok(Tried {
        by_network: times(
            tx,
            "SELECT at FROM code_events WHERE email = ?1 AND kind = 'failed' AND network = ?2 AND at > ?3",
            email,
            network,
            now - HOUR,
        )?,
        short_comparisons: tx
            .prepare_cached(
                "SELECT coalesce(sum(short_codes), 0) FROM code_events WHERE email = ?1 AND kind = 'failed' AND at > ?2",
            )?
            .query_row(params![email, ms(now - DAY)], |row| row.get(0))?,
        short_outstanding: tx
            .prepare_cached(
                "SELECT count(*) FROM sign_in_codes WHERE email = ?1 AND NOT is_long AND used_at IS NULL AND expires_at > ?2",
            )?
            .query_row(params![email, ms(now)], |row| row.get(0))?,
    })
}

fn times(tx: &Connection, sql: &str, email: &str, network: &str, after: Timestamp) -> Result<Vec<Timestamp>> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params![email, network, ms(after)], |row| row.get(0))?;
    rows.map(|at| time(at?)).collect()
}

fn note_event(
    tx: &Connection,
    kind: &str,
    email: &str,
    network: &str,
    at: Timestamp,
    short: usize,
) -> Result<i64> {
    let short = i64::try_from(short).map_err(damaged)?;
    tx.prepare_cached(
        "INSERT INTO code_events (kind, email, network, at, short_codes) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![kind, email, network, ms(at), short])?;
    Ok(tx.last_insert_rowid())
}

fn purpose_columns(purpose: Purpose) -> (&'static str, Option<AccountId>) {
    match purpose {
        Purpose::SignIn => ("sign_in", None),
        Purpose::SetEmail(uid) => ("set_email", Some(uid)),
    }
}
