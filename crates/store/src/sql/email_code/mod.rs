//! Mailed codes and links.

mod ask;
mod events;
mod prove;

use jiff::Timestamp;
use tm_auth_core::email_code::{FlowId, Length, Purpose};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::AccountId;

use super::row::only;
use super::{Store, Tx, account, args, identity};
use crate::email_code::{CodeAttempt, CodeFlow, NewCode, ProvedEmail};
use crate::{AuditContext, NewAccount, Result};

impl Store {
    /// Keeps a code if one more mail may go out, and says which of the two lengths to mail. `None`: no mail, and
    /// what was outstanding stays as it was. Asking resets nothing; with one code more than a network may have
    /// for an address, the oldest gives way.
    pub async fn ask_for_code(&self, new: NewCode, audit_context: &AuditContext) -> Result<Option<Length>> {
        let audit_context = audit_context.clone();
        self.write(async move |tx| ask::ask(tx, &new, &audit_context).await)
            .await
    }

    /// Takes a code back that could not be mailed, as if it had not been requested.
    pub async fn withdraw_code(&self, flow_id: FlowId) -> Result<()> {
        self.write(async move |tx| ask::withdraw(tx, flow_id).await).await
    }

    /// Judges an attempt. It is counted before anything is compared, in one step with the comparison, so that
    /// attempts at the same moment cannot be more than the rules allow; the right code uses itself up and takes
    /// its own count back. Wrong, used, too old, tried too often: one answer.
    pub async fn consume_code(
        &self,
        attempt: CodeAttempt,
        audit_context: &AuditContext,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        let audit_context = audit_context.clone();
        self.write(async move |tx| prove::consume(tx, &attempt, &audit_context).await)
            .await
    }

    /// Uses a link up in the browser that asked for it, and the code beside it; elsewhere it changes nothing.
    pub async fn consume_link(
        &self,
        link_hash: SecretHash,
        browser_hash: SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ProvedEmail, Refusal>> {
        self.write(async move |tx| prove::consume_link(tx, &link_hash, &browser_hash, purpose, now).await)
            .await
    }

    /// What this browser asked for and has not used, for whatever purpose. Changes nothing.
    pub async fn code_flow(&self, browser_hash: SecretHash, now: Timestamp) -> Result<Option<CodeFlow>> {
        self.read(async move |tx| prove::flow(tx, &browser_hash, now).await)
            .await
    }

    /// The account of an address that was proved for signing in, or a new one with it. Of two that come at the
    /// same moment for a new address both get the same account. Refused: the account is disabled, or the address
    /// rests after another account gave it up.
    pub async fn account_by_proved_email(
        &self,
        proved: ProvedEmail,
        new: NewAccount,
        audit_context: &AuditContext,
    ) -> Result<Result<Account, Refusal>> {
        let audit_context = audit_context.clone();
        self.write(async move |tx| account_of(tx, &proved, &new, &audit_context).await)
            .await
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
        email: Some(email.to_owned()),
        ..new.clone()
    };
    let made = account::create(tx, &new, audit_context).await?;
    Ok(made.ok_or(Refusal::InvalidCode))
}

/// The account that gave this address up, while it rests.
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
