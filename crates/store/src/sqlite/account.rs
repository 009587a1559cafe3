//! Accounts.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tm_auth_core::Account;
use tm_auth_proto::AccountId;

use super::row::{Id, id, ms, opt_ms, opt_time, time};
use super::{audit, housekeeping, identity, revocation};
use crate::{Change, NewAccount, Origin, Result, Revocation, Revoked};

pub(super) const COLUMNS: &str = "uid, organization_id, email, created_at, disabled_at, version";

pub(super) fn create(tx: &Connection, new: &NewAccount, origin: &Origin) -> Result<Option<Account>> {
    if let Some(email) = &new.email {
        if identity::rests(tx, email, new.uid, origin)? {
            return Ok(None);
        }
        identity::wake(tx, email)?;
    }
    let inserted = tx
        .prepare_cached(
            "INSERT INTO accounts (uid, organization_id, email, created_at, version) VALUES (?1, ?2, ?3, ?4, 1)
             ON CONFLICT (email) DO NOTHING",
        )?
        .execute(params![new.uid.blob(), new.organization_id.blob(), new.email, ms(new.created_at)])?;
    if inserted == 0 {
        return Ok(None);
    }
    audit::note(tx, origin, "account_created", Some(new.uid), None, None, None)?;
    get(tx, new.uid)
}

pub(super) fn get(db: &Connection, uid: AccountId) -> Result<Option<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE uid = ?1");
    db.prepare_cached(&sql)?
        .query_row([uid.blob()], |row| Ok(read(row, 0)))
        .optional()?
        .transpose()
}

/// The account that proved this address here, whatever its state.
pub(super) fn by_email(db: &Connection, email: &str) -> Result<Option<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE email = ?1");
    db.prepare_cached(&sql)?
        .query_row([email], |row| Ok(read(row, 0)))
        .optional()?
        .transpose()
}

pub(super) fn all(db: &Connection) -> Result<Vec<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts ORDER BY created_at, uid");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| Ok(read(row, 0)))?;
    rows.map(|row| row?).collect()
}

pub(super) fn set_disabled(
    tx: &Connection,
    uid: AccountId,
    disabled_at: Option<Timestamp>,
    origin: &Origin,
) -> Result<bool> {
    let changed = tx
        .prepare_cached("UPDATE accounts SET disabled_at = ?2, version = version + 1 WHERE uid = ?1 AND deleted_at IS NULL")?
        .execute(params![uid.blob(), opt_ms(disabled_at)])?;
    if changed == 0 {
        return Ok(false);
    }
    if let Some(at) = disabled_at {
        revocation::add(
            tx,
            Revocation {
                revoked: Revoked::Account(uid),
                at,
            },
        )?;
    }
    let action = if disabled_at.is_some() {
        "account_disabled"
    } else {
        "account_enabled"
    };
    audit::note(tx, origin, action, Some(uid), None, None, None)?;
    housekeeping::announce(tx, origin.at, Change::Account(uid))?;
    Ok(true)
}

/// Reads an account whose columns begin at `from`.
pub(super) fn read(row: &Row<'_>, from: usize) -> Result<Account> {
    Ok(Account {
        uid: id(row.get_ref(from)?.as_blob().map_err(super::row::damaged)?)?,
        organization_id: id(row.get_ref(from + 1)?.as_blob().map_err(super::row::damaged)?)?,
        email: row.get(from + 2)?,
        created_at: time(row.get(from + 3)?)?,
        disabled_at: opt_time(row.get(from + 4)?)?,
        version: row.get(from + 5)?,
    })
}
