//! Passkeys.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tm_auth_core::passkey::{Counter, judge_counter};
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::row::{Id, damaged, id, ms, opt_time, time};
use super::{SqliteStore, account, audit, identity, recovery};
use crate::passkey::{
    AddedBy, CredentialId, NewPasskey, Passkey, PasskeyUse, PasskeyUsed, PasskeyUser, Passkeys, UserHandle,
};
use crate::{NewAccount, Origin, Result};

const COLUMNS: &str = "credential_id, uid, name, credential, counter, backup_eligible, backed_up, created_at, \
    last_used_at, suspect_at";

#[async_trait]
impl Passkeys for SqliteStore {
    async fn passkey_user(&self, uid: AccountId, fresh: UserHandle) -> Result<Option<PasskeyUser>> {
        self.writer.submit(move |tx| user(tx, uid, &fresh)).await
    }

    async fn account_by_user_handle(&self, handle: UserHandle) -> Result<Option<Account>> {
        self.readers
            .read(move |db| {
                let sql = format!("SELECT {} FROM accounts WHERE user_handle = ?1", account::COLUMNS);
                db.prepare_cached(&sql)?
                    .query_row([handle], |row| Ok(account::read(row, 0)))
                    .optional()?
                    .transpose()
            })
            .await
    }

    async fn sign_up_with_passkey(
        &self,
        account: NewAccount,
        user: PasskeyUser,
        passkey: NewPasskey,
        origin: &Origin,
    ) -> Result<Result<Account, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| sign_up(tx, &account, &user, &passkey, &origin))
            .await
    }

    async fn add_passkey(
        &self,
        uid: AccountId,
        passkey: NewPasskey,
        by: AddedBy,
        max: u32,
        origin: &Origin,
    ) -> Result<Result<bool, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| add(tx, uid, &passkey, by, max, &origin))
            .await
    }

    async fn passkey(&self, credential_id: CredentialId) -> Result<Option<(Passkey, Account)>> {
        self.readers
            .read(move |db| with_account(db, &credential_id))
            .await
    }

    async fn passkeys_of(&self, uid: AccountId) -> Result<Vec<Passkey>> {
        self.readers.read(move |db| of_account(db, uid)).await
    }

    async fn use_passkey(
        &self,
        credential_id: CredentialId,
        used: PasskeyUse,
        origin: &Origin,
    ) -> Result<Result<PasskeyUsed, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| note_use(tx, &credential_id, used, &origin))
            .await
    }

    async fn rename_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        name: String,
        origin: &Origin,
    ) -> Result<Result<(), Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| rename(tx, uid, &credential_id, &name, &origin))
            .await
    }

    async fn remove_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        origin: &Origin,
    ) -> Result<Result<String, Refusal>> {
        let origin = origin.clone();
        self.writer
            .submit(move |tx| remove(tx, uid, &credential_id, &origin))
            .await
    }
}

fn user(tx: &Connection, uid: AccountId, fresh: &UserHandle) -> Result<Option<PasskeyUser>> {
    tx.prepare_cached("UPDATE accounts SET user_handle = ?2 WHERE uid = ?1 AND user_handle IS NULL")?
        .execute(params![uid.blob(), fresh])?;
    let row = tx
        .prepare_cached("SELECT user_handle, display_name FROM accounts WHERE uid = ?1")?
        .query_row([uid.blob()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(row.map(|(handle, display_name)| PasskeyUser { handle, display_name }))
}

fn sign_up(
    tx: &Connection,
    new: &NewAccount,
    user: &PasskeyUser,
    passkey: &NewPasskey,
    origin: &Origin,
) -> Result<Result<Account, Refusal>> {
    if is_known(tx, &passkey.credential_id)? {
        return Ok(Err(Refusal::PasskeyAlreadyRegistered));
    }
    if account::create(tx, new, origin)?.is_none() {
        return Err(damaged("an account without an address collides with another one"));
    }
    tx.prepare_cached("UPDATE accounts SET user_handle = ?2, display_name = ?3 WHERE uid = ?1")?
        .execute(params![new.uid.blob(), user.handle, user.display_name])?;
    insert(tx, new.uid, passkey, origin)?;
    let made = account::get(tx, new.uid)?;
    made.map(Ok)
        .ok_or_else(|| damaged("an account is gone while it is made"))
}

fn add(
    tx: &Connection,
    uid: AccountId,
    passkey: &NewPasskey,
    by: AddedBy,
    max: u32,
    origin: &Origin,
) -> Result<Result<bool, Refusal>> {
    let may_act = account::get(tx, uid)?.is_some_and(|account| account.disabled_at.is_none());
    if !may_act {
        return Ok(Err(Refusal::AccountDisabled));
    }
    let now = passkey.created_at;
    let recovered = recovery::is_ready(tx, uid, now)?;
    if by == AddedBy::Recovery && !recovered {
        return Ok(Err(Refusal::ProofTooWeak));
    }
    if is_known(tx, &passkey.credential_id)? {
        return Ok(Err(Refusal::PasskeyAlreadyRegistered));
    }
    let count: u32 = tx
        .prepare_cached("SELECT count(*) FROM passkeys WHERE uid = ?1")?
        .query_row([uid.blob()], |row| row.get(0))?;
    if count >= max {
        return Ok(Err(Refusal::PasskeyLimitReached { limit: max }));
    }
    insert(tx, uid, passkey, origin)?;
    Ok(Ok(recovery::end(tx, uid, "recovery_completed", origin)?))
}

fn is_known(tx: &Connection, credential_id: &[u8]) -> Result<bool> {
    Ok(tx
        .prepare_cached("SELECT 1 FROM passkeys WHERE credential_id = ?1")?
        .exists([credential_id])?)
}

fn insert(tx: &Connection, uid: AccountId, new: &NewPasskey, origin: &Origin) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO passkeys (credential_id, uid, name, credential, counter, backup_eligible, backed_up, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        new.credential_id,
        uid.blob(),
        new.name,
        new.credential,
        new.counter,
        new.backup_eligible,
        new.backed_up,
        ms(new.created_at),
    ])?;
    let detail = format!("name={}", new.name);
    audit::note(tx, origin, "passkey_added", Some(uid), None, None, Some(&detail))
}

fn with_account(db: &Connection, credential_id: &[u8]) -> Result<Option<(Passkey, Account)>> {
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE credential_id = ?1");
    let passkey = db
        .prepare_cached(&sql)?
        .query_row([credential_id], |row| Ok(read(row)))
        .optional()?
        .transpose()?;
    let Some(passkey) = passkey else {
        return Ok(None);
    };
    let account = account::get(db, passkey.uid)?;
    Ok(account.map(|account| (passkey, account)))
}

fn of_account(db: &Connection, uid: AccountId) -> Result<Vec<Passkey>> {
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE uid = ?1 ORDER BY created_at, credential_id");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([uid.blob()], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

fn note_use(
    tx: &Connection,
    credential_id: &[u8],
    used: PasskeyUse,
    origin: &Origin,
) -> Result<Result<PasskeyUsed, Refusal>> {
    // Removed since it was read: as if it had never been.
    let Some((passkey, account)) = with_account(tx, credential_id)? else {
        return Ok(Err(Refusal::PasskeyRefused));
    };
    let judged = judge_counter(passkey.counter, used.counter, passkey.backup_eligible);
    if judged != Counter::Fine {
        tx.prepare_cached("UPDATE passkeys SET suspect_at = ?2 WHERE credential_id = ?1")?
            .execute(params![credential_id, ms(origin.at)])?;
    }
    if judged == Counter::Copied {
        let detail = format!("method=passkey code=counter_went_back name={}", passkey.name);
        audit::note(
            tx,
            origin,
            "sign_in_refused",
            Some(account.uid),
            None,
            None,
            Some(&detail),
        )?;
        return Ok(Err(Refusal::PasskeyRefused));
    }
    tx.prepare_cached(
        "UPDATE passkeys SET counter = max(counter, ?2), backed_up = ?3, last_used_at = max(coalesce(last_used_at, ?4), ?4)
         WHERE credential_id = ?1",
    )?
    .execute(params![credential_id, used.counter, used.backed_up, ms(origin.at)])?;
    Ok(Ok(PasskeyUsed {
        suspect: judged == Counter::Suspect,
        recovery_cancelled: recovery::end(tx, account.uid, "recovery_cancelled", origin)?,
    }))
}

fn rename(
    tx: &Connection,
    uid: AccountId,
    credential_id: &[u8],
    name: &str,
    origin: &Origin,
) -> Result<Result<(), Refusal>> {
    let renamed = tx
        .prepare_cached("UPDATE passkeys SET name = ?3 WHERE uid = ?1 AND credential_id = ?2")?
        .execute(params![uid.blob(), credential_id, name])?;
    if renamed == 0 {
        return Ok(Err(Refusal::PasskeyNotFound));
    }
    let detail = format!("name={name}");
    audit::note(
        tx,
        origin,
        "passkey_renamed",
        Some(uid),
        None,
        None,
        Some(&detail),
    )?;
    Ok(Ok(()))
}

fn remove(
    tx: &Connection,
    uid: AccountId,
    credential_id: &[u8],
    origin: &Origin,
) -> Result<Result<String, Refusal>> {
    let name: Option<String> = tx
        .prepare_cached("SELECT name FROM passkeys WHERE uid = ?1 AND credential_id = ?2")?
        .query_row(params![uid.blob(), credential_id], |row| row.get(0))
        .optional()?;
    let Some(name) = name else {
        return Ok(Err(Refusal::PasskeyNotFound));
    };
    if identity::ways_in(tx, uid)?.count() <= 1 {
        return Ok(Err(Refusal::LastWayIn));
    }
    tx.prepare_cached("DELETE FROM passkeys WHERE credential_id = ?1")?
        .execute([credential_id])?;
    let detail = format!("name={name}");
    audit::note(
        tx,
        origin,
        "passkey_removed",
        Some(uid),
        None,
        None,
        Some(&detail),
    )?;
    Ok(Ok(name))
}

fn read(row: &Row<'_>) -> Result<Passkey> {
    let at = |column: usize| -> Result<Timestamp> { time(row.get(column)?) };
    Ok(Passkey {
        credential_id: row.get(0)?,
        uid: id(row.get_ref(1)?.as_blob().map_err(damaged)?)?,
        name: row.get(2)?,
        credential: row.get(3)?,
        counter: row.get(4)?,
        backup_eligible: row.get(5)?,
        backed_up: row.get(6)?,
        created_at: at(7)?,
        last_used_at: opt_time(row.get(8)?)?,
        suspect_at: opt_time(row.get(9)?)?,
    })
}
