//! Reads every row of every table with the code that the service reads it with.

use jiff::Timestamp;
use tm_auth_core::recovery::Recovery;
use tm_auth_proto::{AccountId, Environment};

use super::row::{damaged, parse};
use super::{
    Columns, Store, Tx, account, api_key, apple_identity, audit, email_code, housekeeping, key_refusal,
    outbox, passkey, revocation, session, setting, signing_key, user_session,
};
use crate::passkey::UserHandle;
use crate::transfer::{TABLES, Table, walk};
use crate::{Call, Result, StoreError};

type Decode = fn(&mut Columns<'_>) -> Result<()>;

impl Store {
    /// Reads every row of every table. Returns their number. [`StoreError::Damaged`] names the table
    /// of a row that no version of this program writes.
    pub fn check_rows(&self) -> Call<'_, u64> {
        Box::pin(self.read(async |tx| every_row(tx).await))
    }

    /// Checks the structure of the file; if `full`, also its indexes and the references between
    /// tables. Only SQLite has such a file.
    pub fn check_file(&self, full: bool) -> Call<'_, ()> {
        Box::pin(async move {
            match &self.engine {
                super::Engine::Sqlite(sqlite) => sqlite.check(full).await,
                super::Engine::Postgres(_) => Err(StoreError::unusable(
                    "the pages of PostgreSQL are checked with its own tools: `pg_amcheck`, and data checksums",
                )),
            }
        })
    }
}

pub(crate) async fn every_row(tx: &mut Tx<'_>) -> Result<u64> {
    let (mut rows, mut accounts) = (0, 0);
    for table in TABLES {
        let (from, columns, decode) = reader(table)?;
        let read = walk(tx, table, from, &columns, decode).await;
        let read = read.map_err(|error| match error {
            StoreError::Damaged(cause) => damaged(format!("table {}: {cause}", table.name)),
            error => error,
        })?;
        rows += read;
        if table.name == "accounts" {
            accounts = read;
        }
    }
    // No index and no reference shows that the page of the settings was lost.
    if accounts > 0 && setting::get(tx, "environment").await?.is_none() {
        return Err(damaged("table settings: the environment is missing"));
    }
    Ok(rows)
}

/// What to select from a table, and how to read it.
fn reader(table: &Table) -> Result<(&'static str, String, Decode)> {
    let own = |name: &'static str, columns: &str, decode: Decode| Ok((name, columns.to_owned(), decode));
    match table.name {
        "settings" => own("settings", "name, value", setting_row),
        "accounts" => own(
            "accounts",
            &format!(
                "{}, user_handle, display_name, contact_email, deleted_at",
                account::COLUMNS
            ),
            |columns| {
                account::read(columns)?;
                let _: (Option<UserHandle>, Option<&str>, Option<&str>, Option<Timestamp>) =
                    (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
                Ok(())
            },
        ),
        "api_keys" => Ok((
            "api_keys k JOIN accounts a ON a.uid = k.uid",
            format!(
                "{}, k.last_used_at, k.last_used_ip, k.reminded_days",
                api_key::COLUMNS
            ),
            |columns| {
                api_key::read_with_use(columns)?;
                columns.next::<Option<u32>>().map(drop)
            },
        )),
        "sessions" => own(
            "sessions s",
            &format!("{}, s.open_nonce, s.challenge_at", session::COLUMNS),
            |columns| {
                session::read(columns)?;
                let _: ([u8; 16], Timestamp) = (columns.next()?, columns.next()?);
                Ok(())
            },
        ),
        "signing_keys" => own(
            "signing_keys",
            "kid, purpose, algorithm, sealed, published_at, signing_since, retired_at",
            |columns| signing_key::read(columns).map(drop),
        ),
        "revocations" => own("revocations", "at, kind, subject", |columns| {
            revocation::read(columns).map(drop)
        }),
        "changes" => own("changes", "seq, kind, subject, at", |columns| {
            housekeeping::Told::read(columns)?.change().map(drop)
        }),
        "audit" => own("audit", audit::COLUMNS, audit_entry),
        "key_refusals" => own("key_refusals r", key_refusal::COLUMNS, |columns| {
            key_refusal::read(columns).map(drop)
        }),
        "released_addresses" => own("released_addresses", "email, uid, until", |columns| {
            let _: (&str, AccountId, Timestamp) = (columns.next()?, columns.next()?, columns.next()?);
            Ok(())
        }),
        "passkeys" => own("passkeys", passkey::COLUMNS, |columns| {
            passkey::read(columns).map(drop)
        }),
        "apple_identities" => own("apple_identities", apple_identity::COLUMNS, |columns| {
            apple_identity::read(columns).map(drop)
        }),
        "user_sessions" => own("user_sessions s", user_session::COLUMNS, |columns| {
            user_session::read(columns).map(drop)
        }),
        "sign_in_networks" => own("sign_in_networks", "uid, network, last_at", |columns| {
            let _: (AccountId, &str, Timestamp) = (columns.next()?, columns.next()?, columns.next()?);
            Ok(())
        }),
        "email_codes" => own(
            "email_codes",
            &format!("{}, expires_at, used_at", email_code::CANDIDATE),
            |columns| {
                email_code::read_candidate(columns)?;
                let _: (Timestamp, Option<Timestamp>) = (columns.next()?, columns.next()?);
                Ok(())
            },
        ),
        "email_code_events" => own(
            "email_code_events",
            "kind, email, network, at, short_codes",
            email_code_event,
        ),
        "ceremonies" => own("ceremonies", "id_hash, kind, uid, state, expires_at", |columns| {
            let _: ([u8; 32], &str, Option<AccountId>) = (columns.next()?, columns.next()?, columns.next()?);
            let _: (&str, Timestamp) = (columns.next()?, columns.next()?);
            Ok(())
        }),
        "recoveries" => own("recoveries", "uid, started_at, ready_at", |columns| {
            let _ = Recovery {
                uid: columns.next()?,
                started_at: columns.next()?,
                ready_at: columns.next()?,
            };
            Ok(())
        }),
        "outbox" => own("outbox", outbox::COLUMNS, |columns| {
            outbox::read(columns).map(drop)
        }),
        other => Err(StoreError::unusable(format!(
            "the table {other} has no check: this is a defect of the program"
        ))),
    }
}

fn setting_row(columns: &mut Columns<'_>) -> Result<()> {
    let (name, value): (&str, &str) = (columns.next()?, columns.next()?);
    match name {
        "environment" => value.parse::<Environment>().map(drop).map_err(damaged),
        "recovered_at" | "went_back_at" | "last_seen_at" | "signing_keys_version" | "ping" => {
            parse::<i64>(value).map(drop)
        }
        _ => Ok(()),
    }
}

fn audit_entry(columns: &mut Columns<'_>) -> Result<()> {
    let action = audit::read(columns)?.action;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    // A newer version may have noted an action that this one does not know.
    if action.as_str().bytes().all(is_word) {
        Ok(())
    } else {
        let action = action.as_str().escape_debug().to_string();
        Err(damaged(format!(
            "an action with other characters than letters: {action}"
        )))
    }
}

fn email_code_event(columns: &mut Columns<'_>) -> Result<()> {
    match columns.next()? {
        "failed" | "sent" => {}
        other => return Err(damaged(format!("an unknown event {}", other.escape_debug()))),
    }
    let _: (&str, &str, Timestamp, u32) =
        (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
    Ok(())
}
