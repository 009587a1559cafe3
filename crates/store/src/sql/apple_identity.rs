//! Apple identities.

use jiff::Timestamp;
use tm_auth_core::{Account, EmailAddress, Refusal};
use tm_auth_proto::AccountId;

use super::row::damaged;
use super::{Columns, Outbox, Store, Tx, account, args, audit, identity, user_session};
use crate::outbox::Notice;
use crate::{
    AppleIdentity, AppleSignIn, AppleSubject, AppleWithdrawal, AuditAction, AuditContext, Call, NewAccount,
    Result,
};

impl Store {
    /// Returns the account of this identity, or creates it with the identity.
    ///
    /// Ignores `new.email`. The address in the ID token becomes the contact address and is not a
    /// login method. If an account has verified that address here, no account is created. Creating
    /// the account invalidates the codes and links that were requested for the address before. Of
    /// two concurrent logins with a new identity, one creates the account and the other finds it. A
    /// withdrawn identity becomes valid again, since the user has just consented. Returns the
    /// account of a known identity even if it is disabled, but then changes nothing.
    pub fn account_by_apple(
        &self,
        subject: AppleSubject,
        new: NewAccount,
        display_name: Option<String>,
        audit_context: &AuditContext,
    ) -> Call<'_, AppleSignIn> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| {
            sign_in(tx, &subject, &new, display_name.as_deref(), &audit_context).await
        }))
    }

    /// Links this identity to an account and replaces a withdrawn one. Linking it again updates its
    /// address. Refused if another account has the identity, if this account has another
    /// one, or if the account is disabled.
    pub fn link_apple(
        &self,
        uid: AccountId,
        subject: AppleSubject,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<(), Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| link(tx, uid, &subject, &audit_context, outbox).await))
    }

    /// Unlinks the identity of an account. `false`: the account has none. Refused if the account
    /// has no other login method.
    pub fn unlink_apple(
        &self,
        uid: AccountId,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<bool, Refusal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| unlink(tx, uid, &audit_context, outbox).await))
    }

    /// Returns the identity of an account.
    pub fn apple_identity_of(&self, uid: AccountId) -> Call<'_, Option<AppleIdentity>> {
        Box::pin(self.read(async move |tx| of_account(tx, uid).await))
    }

    /// Returns the account of an identity, in any state.
    pub fn account_of_apple(&self, iss: String, sub: String) -> Call<'_, Option<Account>> {
        Box::pin(self.read(async move |tx| match get(tx, &iss, &sub).await? {
            Some((uid, _)) => account::get(tx, uid).await,
            None => Ok(None),
        }))
    }

    /// Records that the user withdrew consent, as Apple reported at `told_at`. The identity is
    /// unlinked, or marked as withdrawn if the account has no other login method. All sessions of
    /// the user end. `None`: the identity is not linked, is already marked, or was linked after
    /// `told_at`, so that a repeated old report does nothing.
    pub fn withdraw_apple(
        &self,
        iss: String,
        sub: String,
        told_at: Timestamp,
        audit_context: &AuditContext,
    ) -> Call<'_, Option<AppleWithdrawal>> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(self.write(async move |tx| withdraw(tx, &iss, &sub, told_at, &audit_context, outbox).await))
    }
}

async fn sign_in(
    tx: &mut Tx<'_>,
    subject: &AppleSubject,
    new: &NewAccount,
    display_name: Option<&str>,
    audit_context: &AuditContext,
) -> Result<AppleSignIn> {
    if let Some((uid, known)) = get(tx, &subject.iss, &subject.sub).await? {
        // A disabled account is not changed.
        let account = account::get(tx, uid)
            .await?
            .ok_or_else(|| damaged("an Apple identity without an account"))?;
        if account.disabled_at.is_none() {
            renew(tx, uid, &known, subject, audit_context).await?;
        }
        return Ok(AppleSignIn::Known(account));
    }
    if let Some(email) = &subject.email
        && account::by_email(tx, email.as_str()).await?.is_some()
    {
        return Ok(AppleSignIn::AddressHasAccount);
    }
    let uid = new.uid;
    // Only this service verifies the address of an account.
    let new = NewAccount {
        email: None,
        ..new.clone()
    };
    if account::create(tx, &new, audit_context).await?.is_none() {
        return Err(damaged("creating an account without an address was refused"));
    }
    tx.execute(
        "UPDATE accounts SET contact_email = ?2, display_name = ?3 WHERE uid = ?1",
        args![uid, subject.email, display_name],
    )
    .await?;
    insert(tx, uid, subject, audit_context).await?;
    if let Some(email) = &subject.email {
        tx.execute(
            "UPDATE email_codes SET used_at = ?2 WHERE email = ?1 AND used_at IS NULL",
            args![email, audit_context.at],
        )
        .await?;
    }
    let made = account::get(tx, uid)
        .await?
        .ok_or_else(|| damaged("an account disappeared within its transaction"))?;
    Ok(AppleSignIn::Made(made))
}

/// Stores the address in the new ID token. Makes a withdrawn identity valid again, and returns
/// whether it did.
async fn renew(
    tx: &mut Tx<'_>,
    uid: AccountId,
    known: &AppleIdentity,
    subject: &AppleSubject,
    audit_context: &AuditContext,
) -> Result<bool> {
    if known.withdrawn_at.is_some() {
        tx.execute(
            "UPDATE apple_identities SET withdrawn_at = NULL, created_at = ?3 WHERE iss = ?1 AND sub = ?2",
            args![known.iss, known.sub, audit_context.at],
        )
        .await?;
        note(
            tx,
            audit_context,
            AuditAction::AppleLinked,
            uid,
            Some("consent given again"),
        )
        .await?;
    }
    // If the ID token has no address, the stored one stays.
    let email = subject.email.as_ref().map(EmailAddress::as_str);
    if email.is_some() && (email, subject.private_relay) != (known.email.as_deref(), known.private_relay) {
        tx.execute(
            "UPDATE apple_identities SET email = ?3, private_relay = ?4 WHERE iss = ?1 AND sub = ?2",
            args![known.iss, known.sub, email, subject.private_relay],
        )
        .await?;
    }
    Ok(known.withdrawn_at.is_some())
}

async fn link(
    tx: &mut Tx<'_>,
    uid: AccountId,
    subject: &AppleSubject,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<(), Refusal>> {
    let live = account::get(tx, uid)
        .await?
        .is_some_and(|account| account.disabled_at.is_none());
    if !live {
        return Ok(Err(Refusal::AccountDisabled));
    }
    if let Some((owner, known)) = get(tx, &subject.iss, &subject.sub).await? {
        if owner != uid {
            return Ok(Err(Refusal::AppleLinkedElsewhere));
        }
        if renew(tx, uid, &known, subject, audit_context).await? {
            outbox.tell(tx, audit_context, uid, &Notice::AppleLinked).await?;
        }
        return Ok(Ok(()));
    }
    match of_account(tx, uid).await? {
        Some(other) if other.withdrawn_at.is_none() => return Ok(Err(Refusal::AppleAlreadyLinked)),
        Some(_) => remove(tx, uid).await?,
        None => {}
    }
    insert(tx, uid, subject, audit_context).await?;
    outbox.tell(tx, audit_context, uid, &Notice::AppleLinked).await?;
    Ok(Ok(()))
}

async fn unlink(
    tx: &mut Tx<'_>,
    uid: AccountId,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Result<bool, Refusal>> {
    if of_account(tx, uid).await?.is_none() {
        return Ok(Ok(false));
    }
    if !has_another_way_in(tx, uid).await? {
        return Ok(Err(Refusal::LastLoginMethod));
    }
    remove(tx, uid).await?;
    note(tx, audit_context, AuditAction::AppleUnlinked, uid, None).await?;
    outbox
        .tell(tx, audit_context, uid, &Notice::AppleUnlinked)
        .await?;
    Ok(Ok(true))
}

async fn withdraw(
    tx: &mut Tx<'_>,
    iss: &str,
    sub: &str,
    told_at: Timestamp,
    audit_context: &AuditContext,
    outbox: Outbox,
) -> Result<Option<AppleWithdrawal>> {
    let Some((uid, identity)) = get(tx, iss, sub).await? else {
        return Ok(None);
    };
    if identity.created_at > told_at || identity.withdrawn_at.is_some() {
        return Ok(None);
    }
    let Some(account) = account::get(tx, uid).await? else {
        return Ok(None);
    };
    let kept = !has_another_way_in(tx, uid).await?;
    if kept {
        tx.execute(
            "UPDATE apple_identities SET withdrawn_at = ?3 WHERE iss = ?1 AND sub = ?2",
            args![iss, sub, audit_context.at],
        )
        .await?;
    } else {
        remove(tx, uid).await?;
    }
    user_session::end_all_but(tx, uid, None, audit_context).await?;
    let detail = if kept {
        "told by Apple; the one way in, so kept"
    } else {
        "told by Apple"
    };
    note(tx, audit_context, AuditAction::AppleUnlinked, uid, Some(detail)).await?;
    outbox
        .tell(tx, audit_context, uid, &Notice::AppleWithdrawn)
        .await?;
    Ok(Some(AppleWithdrawal { account, kept }))
}

/// Whether the account has a login method other than Apple.
async fn has_another_way_in(tx: &mut Tx<'_>, uid: AccountId) -> Result<bool> {
    let ways = identity::login_methods(tx, uid).await?;
    Ok(ways.count() > ways.apple)
}

async fn insert(
    tx: &mut Tx<'_>,
    uid: AccountId,
    subject: &AppleSubject,
    audit_context: &AuditContext,
) -> Result<()> {
    tx.execute(
        "INSERT INTO apple_identities (iss, sub, uid, email, private_relay, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        args![
            subject.iss,
            subject.sub,
            uid,
            subject.email,
            subject.private_relay,
            audit_context.at
        ],
    )
    .await?;
    note(tx, audit_context, AuditAction::AppleLinked, uid, None).await
}

async fn remove(tx: &mut Tx<'_>, uid: AccountId) -> Result<()> {
    tx.execute("DELETE FROM apple_identities WHERE uid = ?1", args![uid])
        .await?;
    Ok(())
}

async fn note(
    tx: &mut Tx<'_>,
    audit_context: &AuditContext,
    action: AuditAction,
    uid: AccountId,
    detail: Option<&str>,
) -> Result<()> {
    audit::note(tx, audit_context, action, Some(uid), None, None, detail).await
}

pub(super) const COLUMNS: &str = "uid, iss, sub, email, private_relay, created_at, withdrawn_at";

async fn get(tx: &mut Tx<'_>, iss: &str, sub: &str) -> Result<Option<(AccountId, AppleIdentity)>> {
    let sql = format!("SELECT {COLUMNS} FROM apple_identities WHERE iss = ?1 AND sub = ?2");
    tx.find(&sql, args![iss, sub], read).await
}

async fn of_account(tx: &mut Tx<'_>, uid: AccountId) -> Result<Option<AppleIdentity>> {
    let sql = format!("SELECT {COLUMNS} FROM apple_identities WHERE uid = ?1");
    let found = tx.find(&sql, args![uid], read).await?;
    Ok(found.map(|(_, identity)| identity))
}

pub(super) fn read(columns: &mut Columns<'_>) -> Result<(AccountId, AppleIdentity)> {
    let uid = columns.next()?;
    let identity = AppleIdentity {
        iss: columns.next()?,
        sub: columns.next()?,
        email: columns.next()?,
        private_relay: columns.next()?,
        created_at: columns.next()?,
        withdrawn_at: columns.next()?,
    };
    Ok((uid, identity))
}
