//! Apple's identities.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::row::{Id, id, ms, opt_time, time};
use super::{SqliteStore, account, audit, identity, person_session};
use crate::{
    AppleIdentities, AppleIdentity, AppleSignIn, AppleSubject, AppleWithdrawal, NewAccount, Origin, Result,
};

#[async_trait]
impl AppleIdentities for SqliteStore {
    async fn account_by_apple(
        &self,
        subject: AppleSubject,
        new: NewAccount,
        display_name: Option<String>,
        origin: &Origin,
    ) -> Result<AppleSignIn> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| sign_in(tx, &subject, new, display_name, &origin))
            .await
    }

    async fn link_apple(
        &self,
        uid: AccountId,
        subject: AppleSubject,
        origin: &Origin,
    ) -> Result<Result<(), Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| link(tx, uid, &subject, &origin))
            .await
    }

    async fn unlink_apple(&self, uid: AccountId, origin: &Origin) -> Result<Result<bool, Refusal>> {
        let origin = origin.clone();
        self.writer.submit(move |tx| unlink(tx, uid, &origin)).await
    }

    async fn apple_identity_of(&self, uid: AccountId) -> Result<Option<AppleIdentity>> {
        self.readers.read(move |db| of_account(db, uid)).await
    }

    async fn account_of_apple(&self, iss: String, sub: String) -> Result<Option<Account>> {
        self.readers
            .read(move |db| match get(db, &iss, &sub)? {
                Some((uid, _)) => account::get(db, uid),
                None => Ok(None),
            })
            .await
    }

    async fn withdraw_apple(
        &self,
        iss: String,
        sub: String,
        told_at: Timestamp,
        origin: &Origin,
    ) -> Result<Option<AppleWithdrawal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| withdraw(tx, &iss, &sub, told_at, &origin))
            .await
    }
}

fn sign_in(
    tx: &Connection,
    subject: &AppleSubject,
    new: NewAccount,
    display_name: Option<String>,
    origin: &Origin,
) -> Result<AppleSignIn> {
    if let Some((uid, known)) = get(tx, &subject.iss, &subject.sub)? {
        // A disabled account is given as it is, and not a word of it changes.
        let account =
            account::get(tx, uid)?.ok_or_else(|| super::row::damaged("an identity without account"))?;
        if account.disabled_at.is_none() {
            renew(tx, uid, &known, subject, origin)?;
        }
        return Ok(AppleSignIn::Known(account));
    }
    if let Some(email) = &subject.email
        && account::by_email(tx, email)?.is_some()
    {
        return Ok(AppleSignIn::AddressHasAccount);
    }
    let uid = new.uid;
    // What Apple says proves no address here.
    let new = NewAccount { email: None, ..new };
    if account::create(tx, &new, origin)?.is_none() {
        return Err(super::row::damaged("an account without address collides"));
    }
    tx.prepare_cached("UPDATE accounts SET contact_email = ?2, display_name = ?3 WHERE uid = ?1")?
        .execute(params![uid.blob(), subject.email, display_name])?;
    insert(tx, uid, subject, origin)?;
    if let Some(email) = &subject.email {
        tx.prepare_cached("UPDATE sign_in_codes SET used_at = ?2 WHERE email = ?1 AND used_at IS NULL")?
            .execute(params![email, ms(origin.at)])?;
    }
    let made = account::get(tx, uid)?
        .ok_or_else(|| super::row::damaged("an account vanished within its transaction"))?;
    Ok(AppleSignIn::Made(made))
}

/// Takes over what Apple says now; a withdrawn identity counts again.
fn renew(
    tx: &Connection,
    uid: AccountId,
    known: &AppleIdentity,
    subject: &AppleSubject,
    origin: &Origin,
) -> Result<()> {
    if known.withdrawn_at.is_some() {
        tx.prepare_cached(
            "UPDATE apple_identities SET withdrawn_at = NULL, created_at = ?3 WHERE iss = ?1 AND sub = ?2",
        )?
        .execute(params![known.iss, known.sub, ms(origin.at)])?;
        note(tx, origin, "apple_linked", uid, Some("consent given again"))?;
    }
    // A token without an address says nothing about it.
    if subject.email.is_some()
        && (&subject.email, subject.private_relay) != (&known.email, known.private_relay)
    {
        tx.prepare_cached(
            "UPDATE apple_identities SET email = ?3, private_relay = ?4 WHERE iss = ?1 AND sub = ?2",
        )?
        .execute(params![
            known.iss,
            known.sub,
            subject.email,
            subject.private_relay
        ])?;
    }
    Ok(())
}

fn link(
    tx: &Connection,
    uid: AccountId,
    subject: &AppleSubject,
    origin: &Origin,
) -> Result<Result<(), Refusal>> {
    let live = account::get(tx, uid)?.is_some_and(|account| account.disabled_at.is_none());
    if !live {
        return Ok(Err(Refusal::AccountDisabled));
    }
    if let Some((owner, known)) = get(tx, &subject.iss, &subject.sub)? {
        if owner != uid {
            return Ok(Err(Refusal::AppleLinkedElsewhere));
        }
        renew(tx, uid, &known, subject, origin)?;
        return Ok(Ok(()));
    }
    match of_account(tx, uid)? {
        Some(other) if other.withdrawn_at.is_none() => return Ok(Err(Refusal::AppleAlreadyLinked)),
        Some(_) => remove(tx, uid)?,
        None => {}
    }
    insert(tx, uid, subject, origin)?;
    Ok(Ok(()))
}

fn unlink(tx: &Connection, uid: AccountId, origin: &Origin) -> Result<Result<bool, Refusal>> {
    if of_account(tx, uid)?.is_none() {
        return Ok(Ok(false));
    }
    if !has_another_way_in(tx, uid)? {
        return Ok(Err(Refusal::LastWayIn));
    }
    remove(tx, uid)?;
    note(tx, origin, "apple_unlinked", uid, None)?;
    Ok(Ok(true))
}

fn withdraw(
    tx: &Connection,
    iss: &str,
    sub: &str,
    told_at: Timestamp,
    origin: &Origin,
) -> Result<Option<AppleWithdrawal>> {
    let Some((uid, identity)) = get(tx, iss, sub)? else {
        return Ok(None);
    };
    if identity.created_at > told_at || identity.withdrawn_at.is_some() {
        return Ok(None);
    }
    let Some(account) = account::get(tx, uid)? else {
        return Ok(None);
    };
    let kept = !has_another_way_in(tx, uid)?;
    if kept {
        tx.prepare_cached("UPDATE apple_identities SET withdrawn_at = ?3 WHERE iss = ?1 AND sub = ?2")?
            .execute(params![iss, sub, ms(origin.at)])?;
    } else {
        remove(tx, uid)?;
    }
    person_session::end_all_but(tx, uid, None, origin)?;
    let detail = if kept {
        "told by Apple; the one way in, so kept"
    } else {
        "told by Apple"
    };
    note(tx, origin, "apple_unlinked", uid, Some(detail))?;
    Ok(Some(AppleWithdrawal { account, kept }))
}

/// Whether somebody can get into the account without Apple.
fn has_another_way_in(tx: &Connection, uid: AccountId) -> Result<bool> {
    let ways = identity::ways_in(tx, uid)?;
    Ok(ways.count() > ways.apple)
}

fn insert(tx: &Connection, uid: AccountId, subject: &AppleSubject, origin: &Origin) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO apple_identities (iss, sub, uid, email, private_relay, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        subject.iss,
        subject.sub,
        uid.blob(),
        subject.email,
        subject.private_relay,
        ms(origin.at)
    ])?;
    note(tx, origin, "apple_linked", uid, None)
}

fn remove(tx: &Connection, uid: AccountId) -> Result<()> {
    tx.prepare_cached("DELETE FROM apple_identities WHERE uid = ?1")?
        .execute([uid.blob()])?;
    Ok(())
}

fn note(
    tx: &Connection,
    origin: &Origin,
    action: &'static str,
    uid: AccountId,
    detail: Option<&str>,
) -> Result<()> {
    audit::note(tx, origin, action, Some(uid), None, None, detail)
}

const COLUMNS: &str = "uid, iss, sub, email, private_relay, created_at, withdrawn_at";

fn get(db: &Connection, iss: &str, sub: &str) -> Result<Option<(AccountId, AppleIdentity)>> {
    let sql = format!("SELECT {COLUMNS} FROM apple_identities WHERE iss = ?1 AND sub = ?2");
    db.prepare_cached(&sql)?
        .query_row([iss, sub], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

fn of_account(db: &Connection, uid: AccountId) -> Result<Option<AppleIdentity>> {
    let sql = format!("SELECT {COLUMNS} FROM apple_identities WHERE uid = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([uid.blob()], |row| Ok(read(row)))
        .optional()?
        .transpose()?;
    Ok(found.map(|(_, identity)| identity))
}

fn read(row: &Row<'_>) -> Result<(AccountId, AppleIdentity)> {
    let uid = id(&row.get::<_, Vec<u8>>(0)?)?;
    let identity = AppleIdentity {
        iss: row.get(1)?,
        sub: row.get(2)?,
        email: row.get(3)?,
        private_relay: row.get(4)?,
        created_at: time(row.get(5)?)?,
        withdrawn_at: opt_time(row.get(6)?)?,
    };
    Ok((uid, identity))
}
