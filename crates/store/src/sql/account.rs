//! Accounts.

use jiff::Timestamp;
use tm_auth_core::Account;
use tm_auth_proto::AccountId;

use super::row::only;
use super::{Columns, Store, Tx, args, audit, housekeeping, identity, revocation};
use crate::{AuditAction, AuditContext, Call, Change, NewAccount, Result, Revocation, Revoked};

pub(super) const COLUMNS: &str = "uid, organization_id, email, created_at, disabled_at, version";

impl Store {
    /// Creates an account with its personal organization. `None`: another account has the e-mail
    /// address, or gave it up and it is in cooldown.
    pub fn create_account(&self, new: NewAccount, audit_context: &AuditContext) -> Call<'_, Option<Account>> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| create(tx, &new, &audit_context).await))
    }

    /// Returns an account.
    pub fn account(&self, uid: AccountId) -> Call<'_, Option<Account>> {
        Box::pin(self.read(async move |tx| get(tx, uid).await))
    }

    /// Returns all accounts, oldest first.
    pub fn accounts(&self) -> Call<'_, Vec<Account>> {
        Box::pin(self.read(async |tx| all(tx).await))
    }

    /// Disables (`Some`) or enables (`None`) an account. Once this has disabled it, no new mint or
    /// refresh succeeds, and the tokens issued before are on the revocation list. An account that is
    /// disabled or enabled already stays as it is. `false`: the account does not exist or was
    /// deleted.
    pub fn set_account_disabled(
        &self,
        uid: AccountId,
        disabled_at: Option<Timestamp>,
        audit_context: &AuditContext,
    ) -> Call<'_, bool> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| set_disabled(tx, uid, disabled_at, &audit_context).await))
    }
}

pub(super) async fn create(
    tx: &mut Tx<'_>,
    new: &NewAccount,
    audit_context: &AuditContext,
) -> Result<Option<Account>> {
    if let Some(email) = &new.email {
        let email = email.as_str();
        if identity::in_cooldown(tx, email, new.uid, audit_context).await? {
            return Ok(None);
        }
        identity::end_cooldown(tx, email).await?;
    }
    let inserted = tx
        .execute(
            "INSERT INTO accounts (uid, organization_id, email, created_at, version) VALUES (?1, ?2, ?3, ?4, 1)
             ON CONFLICT (email) DO NOTHING",
            args![new.uid, new.organization_id, new.email, new.created_at],
        )
        .await?;
    if inserted == 0 {
        return Ok(None);
    }
    audit::note(
        tx,
        audit_context,
        AuditAction::AccountCreated,
        Some(new.uid),
        None,
        None,
        None,
    )
    .await?;
    get(tx, new.uid).await
}

pub(super) async fn get(tx: &mut Tx<'_>, uid: AccountId) -> Result<Option<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE uid = ?1");
    tx.find(&sql, args![uid], read).await
}

/// Returns the account that verified this address, in any state.
pub(super) async fn by_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE email = ?1");
    tx.find(&sql, args![email], read).await
}

pub(crate) async fn all(tx: &mut Tx<'_>) -> Result<Vec<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts ORDER BY created_at, uid");
    tx.list(&sql, args![], read).await
}

pub(super) async fn set_disabled(
    tx: &mut Tx<'_>,
    uid: AccountId,
    disabled_at: Option<Timestamp>,
    audit_context: &AuditContext,
) -> Result<bool> {
    let sql = "SELECT CASE WHEN disabled_at IS NULL THEN 0 ELSE 1 END FROM accounts
         WHERE uid = ?1 AND deleted_at IS NULL";
    let is_disabled: Option<bool> = tx.find(sql, args![uid], only).await?;
    match is_disabled {
        None => return Ok(false),
        Some(is_disabled) if is_disabled == disabled_at.is_some() => return Ok(true),
        Some(_) => {}
    }
    tx.execute(
        "UPDATE accounts SET disabled_at = ?2, version = version + 1 WHERE uid = ?1",
        args![uid, disabled_at],
    )
    .await?;
    if let Some(at) = disabled_at {
        revocation::add(
            tx,
            Revocation {
                revoked: Revoked::Account(uid),
                at,
            },
        )
        .await?;
    }
    let action = if disabled_at.is_some() {
        AuditAction::AccountDisabled
    } else {
        AuditAction::AccountEnabled
    };
    audit::note(tx, audit_context, action, Some(uid), None, None, None).await?;
    housekeeping::announce(tx, audit_context.at, Change::Account(uid)).await?;
    Ok(true)
}

/// Reads [`COLUMNS`].
pub(super) fn read(columns: &mut Columns<'_>) -> Result<Account> {
    Ok(Account {
        uid: columns.next()?,
        organization_id: columns.next()?,
        email: columns.next()?,
        created_at: columns.next()?,
        disabled_at: columns.next()?,
        version: columns.next()?,
    })
}
