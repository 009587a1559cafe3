//! What accounts are recognised by, and their end.

use tm_auth_core::Account;
use tm_auth_core::one_time_code::Purpose;
use tm_auth_proto::AccountId;

use super::{Store, Tx, account, args, audit, housekeeping, person_session, revocation, sign_in_code};
use crate::identity::RESTING;
use crate::sign_in_code::ProvedEmail;
use crate::{Change, EmailChange, Origin, Result, Revocation, Revoked, WaysIn};

impl Store {
    /// The account that proved this address, whatever its state. Reads only.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        let email = email.to_owned();
        self.read(async move |tx| account::by_email(tx, &email).await)
            .await
    }

    /// Gives an account the address that was proved for it. Its old one rests, and the codes and links that
    /// are out for the old one or for another change of this account's address are dead.
    pub async fn set_email(&self, proved: ProvedEmail, origin: &Origin) -> Result<EmailChange> {
        let origin = origin.clone();
        self.write(async move |tx| set_email(tx, &proved, &origin).await)
            .await
    }

    /// The ways into an account. None for one that does not exist.
    pub async fn ways_in(&self, uid: AccountId) -> Result<WaysIn> {
        self.read(async move |tx| ways_in(tx, uid).await).await
    }

    /// Deletes an account for ever: its keys are revoked, its sessions ended, its ways in gone, its address
    /// rests, and its tokens are on the revocation list. What stays is its id, which is never used again, its
    /// keys' public halves and its trail. `false`: there was no such account, or it was deleted already.
    pub async fn delete_account(&self, uid: AccountId, origin: &Origin) -> Result<bool> {
        let origin = origin.clone();
        self.write(async move |tx| delete(tx, uid, &origin).await).await
    }
}

async fn set_email(tx: &mut Tx<'_>, proved: &ProvedEmail, origin: &Origin) -> Result<EmailChange> {
    // A proof for signing in is none for this, and one for this account none for another.
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
    if account::by_email(tx, email).await?.is_some() || rests(tx, email, uid, origin).await? {
        return Ok(EmailChange::Taken);
    }
    // It may be one that this account gave up before.
    wake(tx, email).await?;
    tx.execute(
        "UPDATE accounts SET email = ?2, version = version + 1 WHERE uid = ?1",
        args![uid, email],
    )
    .await?;
    tx.execute(
        "UPDATE sign_in_codes SET used_at = ?2 WHERE uid = ?1 AND purpose = 'set_email' AND used_at IS NULL",
        args![uid, origin.at],
    )
    .await?;
    if let Some(old) = &account.email {
        release(tx, old, uid, origin).await?;
    }
    // The addresses are not in the trail: it outlives the account.
    audit::note(tx, origin, "email_changed", Some(uid), None, None, None).await?;
    housekeeping::announce(tx, origin.at, Change::Account(uid)).await?;
    Ok(EmailChange::Changed(account.email))
}

/// Whether another account gave the address up a short while ago.
pub(super) async fn rests(tx: &mut Tx<'_>, email: &str, uid: AccountId, origin: &Origin) -> Result<bool> {
    let gave_up = sign_in_code::resting(tx, email, origin.at).await?;
    Ok(gave_up.is_some_and(|gave_up| gave_up != uid))
}

/// The address has an owner again.
pub(super) async fn wake(tx: &mut Tx<'_>, email: &str) -> Result<()> {
    tx.execute("DELETE FROM released_addresses WHERE email = ?1", args![email])
        .await?;
    Ok(())
}

/// An account gives the address up: it rests, and what is out for it is dead.
async fn release(tx: &mut Tx<'_>, email: &str, uid: AccountId, origin: &Origin) -> Result<()> {
    tx.execute(
        "INSERT INTO released_addresses (email, uid, until) VALUES (?1, ?2, ?3)
         ON CONFLICT (email) DO UPDATE SET uid = excluded.uid, until = excluded.until",
        args![email, uid, origin.at + RESTING],
    )
    .await?;
    tx.execute(
        "UPDATE sign_in_codes SET used_at = ?2 WHERE email = ?1 AND used_at IS NULL",
        args![email, origin.at],
    )
    .await?;
    Ok(())
}

pub(super) async fn ways_in(tx: &mut Tx<'_>, uid: AccountId) -> Result<WaysIn> {
    let sql = "SELECT a.email, (SELECT count(*) FROM passkeys p WHERE p.uid = a.uid),
            (SELECT count(*) FROM apple_identities i WHERE i.uid = a.uid AND i.withdrawn_at IS NULL)
        FROM accounts a WHERE a.uid = ?1";
    let found = tx
        .find(sql, args![uid], |columns| {
            Ok(WaysIn {
                email: columns.next()?,
                passkeys: columns.next()?,
                apple: columns.next()?,
            })
        })
        .await?;
    Ok(found.unwrap_or_default())
}

async fn delete(tx: &mut Tx<'_>, uid: AccountId, origin: &Origin) -> Result<bool> {
    let Some(account) = account::get(tx, uid).await? else {
        return Ok(false);
    };
    let deleted = tx
        .execute(
            "UPDATE accounts SET email = NULL, contact_email = NULL, display_name = NULL, user_handle = NULL,
                disabled_at = coalesce(disabled_at, ?2), deleted_at = ?2, version = version + 1
             WHERE uid = ?1 AND deleted_at IS NULL",
            args![uid, origin.at],
        )
        .await?;
    if deleted == 0 {
        return Ok(false);
    }
    if let Some(email) = &account.email {
        release(tx, email, uid, origin).await?;
    }
    person_session::end_all_but(tx, uid, None, origin).await?;
    let keys = tx
        .execute(
            "UPDATE api_keys SET revoked_at = ?2, version = version + 1 WHERE uid = ?1 AND revoked_at IS NULL",
            args![uid, origin.at],
        )
        .await?;
    for table in [
        "passkeys",
        "apple_identities",
        "recoveries",
        "sign_in_networks",
        "ceremonies",
        "sign_in_codes",
    ] {
        tx.execute(&format!("DELETE FROM {table} WHERE uid = ?1"), args![uid])
            .await?;
    }
    revocation::add(
        tx,
        Revocation {
            revoked: Revoked::Account(uid),
            at: origin.at,
        },
    )
    .await?;
    let detail = format!("{keys} keys revoked");
    audit::note(
        tx,
        origin,
        "account_deleted",
        Some(uid),
        None,
        None,
        Some(&detail),
    )
    .await?;
    housekeeping::announce(tx, origin.at, Change::Account(uid)).await?;
    Ok(true)
}
