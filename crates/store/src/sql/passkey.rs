//! Passkeys.

use tm_auth_core::passkey::{Counter, judge_counter};
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::row::{damaged, only};
use super::{Columns, Outbox, Store, Tx, account, args, audit, identity, recovery};
use crate::outbox::Notice;
use crate::passkey::{
    AddedBy, CredentialId, NewPasskey, Passkey, PasskeyUse, PasskeyUsed, PasskeyUser, UserHandle,
};
use crate::{AuditAction, AuditContext, Call, NewAccount, Result};

pub(super) const COLUMNS: &str = "credential_id, uid, name, credential, counter, backup_eligible, backed_up, created_at, \
    last_used_at, suspect_at";

impl Store {
    /// Returns the user entity of an account. If the account has no user handle yet, `fresh` is
    /// stored. `None`: there is no such account.
    pub fn passkey_user(&self, uid: AccountId, fresh: UserHandle) -> Call<'_, Option<PasskeyUser>> {
        Box::pin(self.write(async move |tx| user(tx, uid, &fresh).await))
    }

    /// Returns the account with this user handle.
    pub fn account_by_user_handle(&self, handle: UserHandle) -> Call<'_, Option<Account>> {
        Box::pin(self.read(async move |tx| {
            let sql = format!("SELECT {} FROM accounts WHERE user_handle = ?1", account::COLUMNS);
            tx.find(&sql, args![handle], account::read).await
        }))
    }

    /// Creates an account together with its first passkey. Refused if any account has the
    /// credential.
    pub fn sign_up_with_passkey(
        &self,
        account: NewAccount,
        user: PasskeyUser,
        passkey: NewPasskey,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<Account, Refusal>> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| sign_up(tx, &account, &user, &passkey, &audit_context).await))
    }

    /// Adds a passkey to an account that is not disabled. Refused if any account has the
    /// credential, or if the account has `max` passkeys. [`AddedBy::Recovery`] requires a recovery
    /// whose waiting time is over at `passkey.created_at`. Completes a pending recovery. Returns
    /// whether there was one.
    pub fn add_passkey(
        &self,
        uid: AccountId,
        passkey: NewPasskey,
        by: AddedBy,
        max: u32,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<bool, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| add(tx, uid, &passkey, by, max, &audit_context, outbox).await))
    }

    /// Returns a passkey with its account, in any state.
    pub fn passkey(&self, credential_id: CredentialId) -> Call<'_, Option<(Passkey, Account)>> {
        Box::pin(self.read(async move |tx| with_account(tx, &credential_id).await))
    }

    /// Returns the passkeys of an account, oldest first.
    pub fn passkeys_of(&self, uid: AccountId) -> Call<'_, Vec<Passkey>> {
        Box::pin(self.read(async move |tx| of_account(tx, uid).await))
    }

    /// Whether the account has a passkey. If so, no weaker method may change its credentials.
    pub fn has_passkey(&self, uid: AccountId) -> Call<'_, bool> {
        Box::pin(self.read(async move |tx| {
            tx.exists("SELECT 1 FROM passkeys WHERE uid = ?1", args![uid])
                .await
        }))
    }

    /// Judges the signature counter by [`tm_auth_core::passkey::judge_counter`] and updates the
    /// row, in one step. Concurrent assertions never lower the counter. A refusal is recorded too.
    /// An accepted assertion cancels a recovery of the account.
    pub fn use_passkey(
        &self,
        credential_id: CredentialId,
        used: PasskeyUse,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<PasskeyUsed, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| note_use(tx, &credential_id, used, &audit_context, outbox).await))
    }

    /// Renames a passkey of this account. One that has the name already stays as it is.
    pub fn rename_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        name: String,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<(), Refusal>> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| rename(tx, uid, &credential_id, &name, &audit_context).await))
    }

    /// Removes a passkey of this account. Refused if it is the account's last login method. Returns
    /// its name.
    pub fn remove_passkey(
        &self,
        uid: AccountId,
        credential_id: CredentialId,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<String, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| remove(tx, uid, &credential_id, &audit_context, outbox).await))
    }
}

async fn user(tx: &mut Tx<'_>, uid: AccountId, fresh: &UserHandle) -> Result<Option<PasskeyUser>> {
    tx.execute(
        "UPDATE accounts SET user_handle = ?2 WHERE uid = ?1 AND user_handle IS NULL",
        args![uid, fresh],
    )
    .await?;
    let sql = "SELECT user_handle, display_name FROM accounts WHERE uid = ?1";
    tx.find(sql, args![uid], |columns| {
        Ok(PasskeyUser {
            handle: columns.next()?,
            display_name: columns.next()?,
        })
    })
    .await
}

async fn sign_up(
    tx: &mut Tx<'_>,
    new: &NewAccount,
    user: &PasskeyUser,
    passkey: &NewPasskey,
    audit_context: &AuditContext,
) -> Result<Result<Account, Refusal>> {
    if is_known(tx, &passkey.credential_id).await? {
        return Ok(Err(Refusal::PasskeyAlreadyRegistered));
    }
    if account::create(tx, new, audit_context).await?.is_none() {
        return Err(damaged("creating an account without an address was refused"));
    }
    tx.execute(
        "UPDATE accounts SET user_handle = ?2, display_name = ?3 WHERE uid = ?1",
        args![new.uid, user.handle, user.display_name],
    )
    .await?;
    insert(tx, new.uid, passkey, audit_context).await?;
    let made = account::get(tx, new.uid).await?;
    made.map(Ok)
        .ok_or_else(|| damaged("an account disappeared within its transaction"))
}

async fn add(
    tx: &mut Tx<'_>,
    uid: AccountId,
    passkey: &NewPasskey,
    by: AddedBy,
    max: u32,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<bool, Refusal>> {
    let may_act = account::get(tx, uid)
        .await?
        .is_some_and(|account| account.disabled_at.is_none());
    if !may_act {
        return Ok(Err(Refusal::AccountDisabled));
    }
    let now = passkey.created_at;
    let recovered = recovery::is_ready(tx, uid, now).await?;
    if by == AddedBy::Recovery && !recovered {
        return Ok(Err(Refusal::ProofTooWeak));
    }
    if is_known(tx, &passkey.credential_id).await? {
        return Ok(Err(Refusal::PasskeyAlreadyRegistered));
    }
    let count: u32 = tx
        .value("SELECT count(*) FROM passkeys WHERE uid = ?1", args![uid])
        .await?;
    if count >= max {
        return Ok(Err(Refusal::PasskeyLimitReached { limit: max }));
    }
    insert(tx, uid, passkey, audit_context).await?;
    let name = passkey.name.clone();
    outbox
        .tell(tx, audit_context, uid, &Notice::PasskeyAdded { name })
        .await?;
    Ok(Ok(recovery::complete(tx, uid, audit_context, outbox).await?))
}

async fn is_known(tx: &mut Tx<'_>, credential_id: &[u8]) -> Result<bool> {
    tx.exists(
        "SELECT 1 FROM passkeys WHERE credential_id = ?1",
        args![credential_id],
    )
    .await
}

async fn insert(
    tx: &mut Tx<'_>,
    uid: AccountId,
    new: &NewPasskey,
    audit_context: &AuditContext,
) -> Result<()> {
    tx.execute(
        "INSERT INTO passkeys (credential_id, uid, name, credential, counter, backup_eligible, backed_up, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        args![
            new.credential_id,
            uid,
            new.name,
            new.credential,
            new.counter,
            new.backup_eligible,
            new.backed_up,
            new.created_at,
        ],
    )
    .await?;
    let detail = format!("name={}", new.name);
    audit::note(
        tx,
        audit_context,
        AuditAction::PasskeyAdded,
        Some(uid),
        None,
        None,
        Some(&detail),
    )
    .await
}

async fn with_account(tx: &mut Tx<'_>, credential_id: &[u8]) -> Result<Option<(Passkey, Account)>> {
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE credential_id = ?1");
    let Some(passkey) = tx.find(&sql, args![credential_id], read).await? else {
        return Ok(None);
    };
    let account = account::get(tx, passkey.uid).await?;
    Ok(account.map(|account| (passkey, account)))
}

async fn of_account(tx: &mut Tx<'_>, uid: AccountId) -> Result<Vec<Passkey>> {
    let sql = format!("SELECT {COLUMNS} FROM passkeys WHERE uid = ?1 ORDER BY created_at, credential_id");
    tx.list(&sql, args![uid], read).await
}

async fn note_use(
    tx: &mut Tx<'_>,
    credential_id: &[u8],
    used: PasskeyUse,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<PasskeyUsed, Refusal>> {
    // The passkey was removed since it was read.
    let Some((passkey, account)) = with_account(tx, credential_id).await? else {
        return Ok(Err(Refusal::PasskeyRefused));
    };
    let judged = judge_counter(passkey.counter, used.counter, passkey.backup_eligible);
    if judged != Counter::Fine {
        tx.execute(
            "UPDATE passkeys SET suspect_at = ?2 WHERE credential_id = ?1",
            args![credential_id, audit_context.at],
        )
        .await?;
    }
    if judged == Counter::Copied {
        let detail = format!("method=passkey code=counter_went_back name={}", passkey.name);
        audit::note(
            tx,
            audit_context,
            AuditAction::SignInRefused,
            Some(account.uid),
            None,
            None,
            Some(&detail),
        )
        .await?;
        return Ok(Err(Refusal::PasskeyRefused));
    }
    tx.execute(
        "UPDATE passkeys SET counter = CASE WHEN counter > ?2 THEN counter ELSE ?2 END, backed_up = ?3,
            last_used_at = CASE WHEN last_used_at > ?4 THEN last_used_at ELSE ?4 END
         WHERE credential_id = ?1",
        args![credential_id, used.counter, used.backed_up, audit_context.at],
    )
    .await?;
    Ok(Ok(PasskeyUsed {
        suspect: judged == Counter::Suspect,
        recovery_cancelled: recovery::cancel(tx, account.uid, audit_context, outbox).await?,
    }))
}

async fn rename(
    tx: &mut Tx<'_>,
    uid: AccountId,
    credential_id: &[u8],
    name: &str,
    audit_context: &AuditContext,
) -> Result<Result<(), Refusal>> {
    match name_of(tx, uid, credential_id).await? {
        None => return Ok(Err(Refusal::PasskeyNotFound)),
        Some(there) if there == name => return Ok(Ok(())),
        Some(_) => {}
    }
    tx.execute(
        "UPDATE passkeys SET name = ?3 WHERE uid = ?1 AND credential_id = ?2",
        args![uid, credential_id, name],
    )
    .await?;
    let detail = format!("name={name}");
    audit::note(
        tx,
        audit_context,
        AuditAction::PasskeyRenamed,
        Some(uid),
        None,
        None,
        Some(&detail),
    )
    .await?;
    Ok(Ok(()))
}

/// Returns the name of a passkey of this account.
async fn name_of(tx: &mut Tx<'_>, uid: AccountId, credential_id: &[u8]) -> Result<Option<String>> {
    let sql = "SELECT name FROM passkeys WHERE uid = ?1 AND credential_id = ?2";
    tx.find(sql, args![uid, credential_id], only).await
}

async fn remove(
    tx: &mut Tx<'_>,
    uid: AccountId,
    credential_id: &[u8],
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<String, Refusal>> {
    let Some(name) = name_of(tx, uid, credential_id).await? else {
        return Ok(Err(Refusal::PasskeyNotFound));
    };
    if identity::login_methods(tx, uid).await?.count() <= 1 {
        return Ok(Err(Refusal::LastLoginMethod));
    }
    tx.execute(
        "DELETE FROM passkeys WHERE credential_id = ?1",
        args![credential_id],
    )
    .await?;
    let detail = format!("name={name}");
    audit::note(
        tx,
        audit_context,
        AuditAction::PasskeyRemoved,
        Some(uid),
        None,
        None,
        Some(&detail),
    )
    .await?;
    let notice = Notice::PasskeyRemoved { name: name.clone() };
    outbox.tell(tx, audit_context, uid, &notice).await?;
    Ok(Ok(name))
}

pub(super) fn read(columns: &mut Columns<'_>) -> Result<Passkey> {
    Ok(Passkey {
        credential_id: columns.next()?,
        uid: columns.next()?,
        name: columns.next()?,
        credential: columns.next()?,
        counter: columns.next()?,
        backup_eligible: columns.next()?,
        backed_up: columns.next()?,
        created_at: columns.next()?,
        last_used_at: columns.next()?,
        suspect_at: columns.next()?,
    })
}
