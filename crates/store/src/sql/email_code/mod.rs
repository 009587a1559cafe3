//! Codes and links by e-mail.

mod ask;
mod events;
mod prove;

use jiff::Timestamp;
use tm_auth_core::email_code::Purpose;
use tm_auth_core::secret::SecretHash;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::row::only;
use super::{Store, Tx, account, args, identity};
use crate::email_code::{AskedCode, CodeAttempt, CodeFlow, NewCode, ProvedEmail};
use crate::outbox::MAX_CODES;
use crate::{AuditContext, Call, NewAccount, Result};
pub(super) use prove::{CANDIDATE, read_candidate};

impl Store {
    /// Stores a code and its mail if one more e-mail may be sent. Outstanding codes stay valid, and a
    /// request resets no counter. If the network has too many outstanding codes for the address, the
    /// oldest is deleted.
    ///
    /// The transaction counts the codes that wait, so that requests at the same time do not exceed
    /// [`MAX_CODES`] together. The count makes them conflict on PostgreSQL. So it is left out while
    /// fewer than half as many wait, and otherwise the requests of a node take turns.
    pub fn ask_for_code(&self, new: NewCode, audit_context: &AuditContext) -> Call<'_, AskedCode> {
        let (audit_context, outbox) = (audit_context.clone(), self.outbox());
        Box::pin(async move {
            let has_much_room = self
                .read(async move |tx| outbox.has_fewer_codes(tx, MAX_CODES / 2).await)
                .await?;
            if has_much_room {
                return self
                    .write(async move |tx| ask::ask(tx, &new, &audit_context, outbox).await)
                    .await;
            }
            let _turn = self.code_turn().await?;
            self.write(async move |tx| {
                // Does not depend on the address, so the answer tells nothing about it.
                if !outbox.has_fewer_codes(tx, MAX_CODES).await? {
                    return Ok(AskedCode::Full);
                }
                ask::ask(tx, &new, &audit_context, outbox).await
            })
            .await
        })
    }

    /// Judges an attempt. Counting and comparing are one step, so that concurrent attempts never
    /// exceed the limits. The right code is used up and does not count as failed. A wrong, used or
    /// expired code and too many attempts get the same answer.
    pub fn consume_code(
        &self,
        attempt: CodeAttempt,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<ProvedEmail, Refusal>> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| prove::consume(tx, &attempt, &audit_context).await))
    }

    /// Uses up a link, and the browser's other codes, if this browser requested it. In another
    /// browser this changes nothing.
    pub fn consume_link(
        &self,
        link_hash: SecretHash,
        browser_hash: SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Call<'_, Result<ProvedEmail, Refusal>> {
        Box::pin(
            self.write(async move |tx| {
                prove::consume_link(tx, &link_hash, &browser_hash, purpose, now).await
            }),
        )
    }

    /// Returns the newest unused code of this browser that has not expired, for any purpose.
    pub fn code_flow(&self, browser_hash: SecretHash, now: Timestamp) -> Call<'_, Option<CodeFlow>> {
        Box::pin(self.read(async move |tx| prove::flow(tx, &browser_hash, now).await))
    }

    /// Returns the account of an address that was verified for logging in, or creates it.
    /// Concurrent calls for a new address get the same account. Refused if the account is disabled,
    /// or if an account gave up the address and it is in cooldown.
    pub fn account_by_proved_email(
        &self,
        proved: ProvedEmail,
        new: NewAccount,
        audit_context: &AuditContext,
    ) -> Call<'_, Result<Account, Refusal>> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| account_of(tx, &proved, &new, &audit_context).await))
    }
}

async fn account_of(
    tx: &mut Tx<'_>,
    proved: &ProvedEmail,
    new: &NewAccount,
    audit_context: &AuditContext,
) -> Result<Result<Account, Refusal>> {
    let email = proved.email.as_str();
    if proved.purpose != Purpose::SignIn {
        return Ok(Err(Refusal::InvalidCode));
    }
    match account::by_email(tx, email).await? {
        Some(account) if account.disabled_at.is_some() => return Ok(Err(Refusal::AccountDisabled)),
        Some(account) => return Ok(Ok(account)),
        None => {}
    }
    if cooldown_owner(tx, email, new.created_at).await?.is_some() {
        return Ok(Err(Refusal::AddressInCooldown));
    }
    identity::end_cooldown(tx, email).await?;
    let new = NewAccount {
        email: Some(proved.email.clone()),
        ..new.clone()
    };
    let made = account::create(tx, &new, audit_context).await?;
    Ok(made.ok_or(Refusal::InvalidCode))
}

/// Returns the account that gave up this address, if the address is in cooldown.
pub(super) async fn cooldown_owner(
    tx: &mut Tx<'_>,
    email: &str,
    now: Timestamp,
) -> Result<Option<AccountId>> {
    let sql = "SELECT uid FROM released_addresses WHERE email = ?1 AND until > ?2";
    tx.find(sql, args![email, now], only).await
}

fn purpose_columns(purpose: Purpose) -> (&'static str, Option<AccountId>) {
    match purpose {
        Purpose::SignIn => ("sign_in", None),
        Purpose::SetEmail(uid) => ("set_email", Some(uid)),
    }
}
