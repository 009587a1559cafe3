//! What accounts are recognised by, and their end.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use tm_auth_core::Account;
use tm_auth_core::one_time_code::Purpose;
use tm_auth_proto::AccountId;

use super::row::{Id, ms};
use super::{SqliteStore, account, audit, housekeeping, person_session, revocation, sign_in_code};
use crate::identity::RESTING;
use crate::sign_in_code::ProvedEmail;
use crate::{Change, EmailChange, Identities, Origin, Result, Revocation, Revoked, WaysIn};

#[async_trait]
impl Identities for SqliteStore {
    async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        let email = email.to_owned();
        self.readers.read(move |db| account::by_email(db, &email)).await
    }

    async fn set_email(&self, proved: ProvedEmail, origin: &Origin) -> Result<EmailChange> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| set_email(tx, &proved, &origin))
            .await
    }

    async fn ways_in(&self, uid: AccountId) -> Result<WaysIn> {
        self.readers.read(move |db| ways_in(db, uid)).await
    }

    async fn delete_account(&self, uid: AccountId, origin: &Origin) -> Result<bool> {
        let origin = origin.clone();
        self.writer.submit(move |tx| delete(tx, uid, &origin)).await
    }
}

fn set_email(tx: &Connection, proved: &ProvedEmail, origin: &Origin) -> Result<EmailChange> {
    // A proof for signing in is none for this, and one for this account none for another.
    let Purpose::SetEmail(uid) = proved.purpose else {
        return Ok(EmailChange::NoAccount);
    };
    let email = proved.email.as_str();
    let Some(account) = account::get(tx, uid)?.filter(|account| account.disabled_at.is_none()) else {
        return Ok(EmailChange::NoAccount);
    };
    if account.email.as_deref() == Some(email) {
        return Ok(EmailChange::Unchanged);
    }
    if account::by_email(tx, email)?.is_some() || rests(tx, email, uid, origin)? {
        return Ok(EmailChange::Taken);
    }
    // It may be one that this account gave up before.
    wake(tx, email)?;
    tx.prepare_cached("UPDATE accounts SET email = ?2, version = version + 1 WHERE uid = ?1")?
        .execute(params![uid.blob(), email])?;
    tx.prepare_cached(
        "UPDATE sign_in_codes SET used_at = ?2 WHERE uid = ?1 AND purpose = 'set_email' AND used_at IS NULL",
    )?
    .execute(params![uid.blob(), ms(origin.at)])?;
    if let Some(old) = &account.email {
        release(tx, old, uid, origin)?;
    }
    // The addresses are not in the trail: it outlives the account.
    audit::note(tx, origin, "email_changed", Some(uid), None, None, None)?;
    housekeeping::announce(tx, origin.at, Change::Account(uid))?;
    Ok(EmailChange::Changed(account.email))
}

/// Whether another account gave the address up a short while ago.
pub(super) fn rests(tx: &Connection, email: &str, uid: AccountId, origin: &Origin) -> Result<bool> {
    Ok(sign_in_code::resting(tx, email, origin.at)?.is_some_and(|gave_up| gave_up != uid))
}

/// The address has an owner again.
pub(super) fn wake(tx: &Connection, email: &str) -> Result<()> {
    tx.prepare_cached("DELETE FROM released_addresses WHERE email = ?1")?
        .execute([email])?;
    Ok(())
}

/// An account gives the address up: it rests, and what is out for it is dead.
fn release(tx: &Connection, email: &str, uid: AccountId, origin: &Origin) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO released_addresses (email, uid, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (email) DO UPDATE SET uid = excluded.uid, until = excluded.until",
    )?
    .execute(params![email, uid.blob(), ms(origin.at + RESTING)])?;
    tx.prepare_cached("UPDATE sign_in_codes SET used_at = ?2 WHERE email = ?1 AND used_at IS NULL")?
        .execute(params![email, ms(origin.at)])?;
    Ok(())
}

pub(super) fn ways_in(db: &Connection, uid: AccountId) -> Result<WaysIn> {
    let sql = "SELECT a.email, (SELECT count(*) FROM passkeys p WHERE p.uid = a.uid),
            (SELECT count(*) FROM apple_identities i WHERE i.uid = a.uid AND i.withdrawn_at IS NULL)
        FROM accounts a WHERE a.uid = ?1";
    let ways = db.prepare_cached(sql)?.query_row([uid.blob()], |row| {
        Ok(WaysIn {
            email: row.get(0)?,
            passkeys: row.get(1)?,
            apple: row.get(2)?,
        })
    });
    Ok(ways.optional()?.unwrap_or_default())
}

fn delete(tx: &Connection, uid: AccountId, origin: &Origin) -> Result<bool> {
    let Some(account) = account::get(tx, uid)? else {
        return Ok(false);
    };
    let deleted = tx
        .prepare_cached(
            "UPDATE accounts SET email = NULL, contact_email = NULL, display_name = NULL, user_handle = NULL,
                disabled_at = coalesce(disabled_at, ?2), deleted_at = ?2, version = version + 1
             WHERE uid = ?1 AND deleted_at IS NULL",
        )?
        .execute(params![uid.blob(), ms(origin.at)])?;
    if deleted == 0 {
        return Ok(false);
    }
    if let Some(email) = &account.email {
        release(tx, email, uid, origin)?;
    }
    person_session::end_all_but(tx, uid, None, origin)?;
    let keys = tx
        .prepare_cached("UPDATE api_keys SET revoked_at = ?2, version = version + 1 WHERE uid = ?1 AND revoked_at IS NULL")?
        .execute(params![uid.blob(), ms(origin.at)])?;
    for table in [
        "passkeys",
        "apple_identities",
        "recoveries",
        "sign_in_networks",
        "ceremonies",
        "sign_in_codes",
    ] {
        tx.prepare_cached(&format!("DELETE FROM {table} WHERE uid = ?1"))?
            .execute([uid.blob()])?;
    }
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Account(uid),
            at: origin.at,
        },
    )?;
    let detail = format!("{keys} keys revoked");
    audit::note(
        tx,
        origin,
        "account_deleted",
        Some(uid),
        None,
        None,
        Some(&detail),
    )?;
    housekeeping::announce(tx, origin.at, Change::Account(uid))?;
    Ok(true)
}
