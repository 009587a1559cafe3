//! Login methods, changes of the e-mail address, and deletion of accounts.

use tm_auth_core::Account;
use tm_auth_core::email_code::Purpose;
use tm_auth_proto::AccountId;

use super::{Outbox, Store, Tx, account, args, audit, email_code, housekeeping, revocation, user_session};
use crate::email_code::ProvedEmail;
use crate::identity::COOLDOWN;
use crate::outbox::Notice;
use crate::{
    AuditAction, AuditContext, Call, Change, EmailChange, LoginMethods, Result, Revocation, Revoked,
};

impl Store {
    /// Returns the account that verified this address, in any state.
    pub fn account_by_email(&self, email: &str) -> Call<'_, Option<Account>> {
        let email = email.to_owned();
        Box::pin(self.read(async move |tx| account::by_email(tx, &email).await))
    }

    /// Sets the address that was verified for an account. Puts the old one into cooldown. Codes and
    /// links for the old address, or for another change of this account's address, become invalid.
    pub fn set_email(&self, proved: ProvedEmail, audit_context: &AuditContext) -> Call<'_, EmailChange> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| set_email(tx, &proved, &audit_context, outbox).await))
    }

    /// Returns the login methods of an account. An unknown account has none.
    pub fn login_methods(&self, uid: AccountId) -> Call<'_, LoginMethods> {
        Box::pin(self.read(async move |tx| login_methods(tx, uid).await))
    }

    /// Deletes an account for good. Revokes its keys and tokens, ends its user sessions,
    /// removes its login methods and puts its address into cooldown. Keeps its id, so that it is
    /// never used again, its keys' public halves and its audit trail. `false`: the account does not
    /// exist or was deleted before.
    pub fn delete_account(&self, uid: AccountId, audit_context: &AuditContext) -> Call<'_, bool> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| delete(tx, uid, &audit_context, outbox).await))
    }
}

async fn set_email(
    tx: &mut Tx<'_>,
    proved: &ProvedEmail,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<EmailChange> {
    // The purpose names the account. If the address was verified for a login, no account changes.
    let Purpose::SetEmail(uid) = proved.purpose else {
        return Ok(EmailChange::NoAccount);
    };
    let email = proved.email.as_str();
    let Some(account) = account::get(tx, uid)
        .await?
        .filter(|account| account.disabled_at.is_none())
    else {
        return Ok(EmailChange::NoAccount);
    };
    if account.email.as_deref() == Some(email) {
        return Ok(EmailChange::Unchanged);
    }
    if account::by_email(tx, email).await?.is_some() || in_cooldown(tx, email, uid, audit_context).await? {
        return Ok(EmailChange::Taken);
    }
    // This account may have given up the address before.
    end_cooldown(tx, email).await?;
    tx.execute(
        "UPDATE accounts SET email = ?2, version = version + 1 WHERE uid = ?1",
        args![uid, email],
    )
    .await?;
    tx.execute(
        "UPDATE email_codes SET used_at = ?2 WHERE uid = ?1 AND purpose = 'set_email' AND used_at IS NULL",
        args![uid, audit_context.at],
    )
    .await?;
    if let Some(old) = &account.email {
        release(tx, old, uid, audit_context).await?;
        let new = email.to_owned();
        outbox
            .tell_at(tx, audit_context, uid, old, &Notice::EmailChanged { new })
            .await?;
    }
    // The audit trail does not contain the addresses, since it outlives the account.
    audit::note(
        tx,
        audit_context,
        AuditAction::EmailChanged,
        Some(uid),
        None,
        None,
        None,
    )
    .await?;
    housekeeping::announce(tx, audit_context.at, Change::Account(uid)).await?;
    Ok(EmailChange::Changed(account.email))
}

/// Whether another account gave up the address and it is still in cooldown.
pub(super) async fn in_cooldown(
    tx: &mut Tx<'_>,
    email: &str,
    uid: AccountId,
    audit_context: &AuditContext,
) -> Result<bool> {
    let gave_up = email_code::cooldown_owner(tx, email, audit_context.at).await?;
    Ok(gave_up.is_some_and(|gave_up| gave_up != uid))
}

/// Ends the cooldown of an address that has an owner again.
pub(super) async fn end_cooldown(tx: &mut Tx<'_>, email: &str) -> Result<()> {
    tx.execute("DELETE FROM released_addresses WHERE email = ?1", args![email])
        .await?;
    Ok(())
}

/// Puts an address that an account gives up into cooldown, and invalidates its codes and links.
async fn release(tx: &mut Tx<'_>, email: &str, uid: AccountId, audit_context: &AuditContext) -> Result<()> {
    tx.execute(
        "INSERT INTO released_addresses (email, uid, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (email) DO UPDATE SET uid = excluded.uid, until = excluded.until",
        args![email, uid, audit_context.at + COOLDOWN],
    )
    .await?;
    tx.execute(
        "UPDATE email_codes SET used_at = ?2 WHERE email = ?1 AND used_at IS NULL",
        args![email, audit_context.at],
    )
    .await?;
    Ok(())
}

pub(super) async fn login_methods(tx: &mut Tx<'_>, uid: AccountId) -> Result<LoginMethods> {
    let sql = "SELECT a.email, (SELECT count(*) FROM passkeys p WHERE p.uid = a.uid),
            (SELECT count(*) FROM apple_identities i WHERE i.uid = a.uid AND i.withdrawn_at IS NULL)
        FROM accounts a WHERE a.uid = ?1";
    let found = tx
        .find(sql, args![uid], |columns| {
            Ok(LoginMethods {
                email: columns.next()?,
                passkeys: columns.next()?,
                apple: columns.next()?,
            })
        })
        .await?;
    Ok(found.unwrap_or_default())
}

pub(super) async fn delete(
    tx: &mut Tx<'_>,
    uid: AccountId,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<bool> {
    let sql = "SELECT 1 FROM accounts WHERE uid = ?1 AND deleted_at IS NULL";
    if !tx.exists(sql, args![uid]).await? {
        return Ok(false);
    }
    let Some(account) = account::get(tx, uid).await? else {
        return Ok(false);
    };
    // While the account still has its address.
    outbox
        .tell(tx, audit_context, uid, &Notice::AccountDeleted)
        .await?;
    tx.execute(
        "UPDATE accounts SET email = NULL, contact_email = NULL, display_name = NULL, user_handle = NULL,
                disabled_at = coalesce(disabled_at, ?2), deleted_at = ?2, version = version + 1
             WHERE uid = ?1",
        args![uid, audit_context.at],
    )
    .await?;
    if let Some(email) = &account.email {
        release(tx, email, uid, audit_context).await?;
    }
    user_session::end_all_but(tx, uid, None, audit_context).await?;
    let keys = tx
        .execute(
            "UPDATE api_keys SET revoked_at = ?2, version = version + 1 WHERE uid = ?1 AND revoked_at IS NULL",
            args![uid, audit_context.at],
        )
        .await?;
    for table in [
        "passkeys",
        "apple_identities",
        "recoveries",
        "sign_in_networks",
        "ceremonies",
        "email_codes",
    ] {
        tx.execute(&format!("DELETE FROM {table} WHERE uid = ?1"), args![uid])
            .await?;
    }
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Account(uid),
            at: audit_context.at,
        },
    )
    .await?;
    let detail = format!("{keys} keys revoked");
    audit::note(
        tx,
        audit_context,
        AuditAction::AccountDeleted,
        Some(uid),
        None,
        None,
        Some(&detail),
    )
    .await?;
    housekeeping::announce(tx, audit_context.at, Change::Account(uid)).await?;
    Ok(true)
}
