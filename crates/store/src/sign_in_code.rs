//! Mailed codes and links, and the accounts they lead to.
//!
//! 1. [`SignInCodes::ask_for_code`] keeps a code and says whether, and how long, it may be mailed.
//! 2. [`SignInCodes::consume_code`] or [`SignInCodes::consume_link`] turns it into a [`ProvedEmail`], once.
//! 3. [`SignInCodes::account_by_proved_email`] finds the account of that address, or makes it.
//!
//! The rules are those of [`tm_auth_core::one_time_code::rules`]; an implementation keeps the books for them,
//! in the same transaction as what they decide.

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::one_time_code::{CodeMac, FlowId, Length, Purpose, TypedCode};
use tm_auth_core::secret::SecretHash;
use tm_auth_core::{Account, EmailAddress, Refusal};

use crate::{NewAccount, Origin, Result};

/// A wish for a code.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// A fresh id.
    pub flow_id: FlowId,
    /// Where it is mailed.
    pub email: EmailAddress,
    /// Who asks, as limits count it.
    pub network: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The code where a short one is enough, and the one where it is not.
    pub short: CodeMac,
    /// See `short`.
    pub long: CodeMac,
    /// The browser that asks and the link it is sent; `None`: a program asks, which types the code.
    pub browser: Option<NewLink>,
    /// Now.
    pub asked_at: Timestamp,
}

/// The part of a code that is for a browser.
#[derive(Clone, Copy, Debug)]
pub struct NewLink {
    /// What recognises the asking browser: only there code and link work.
    pub browser_hash: SecretHash,
    /// What recognises the link's token.
    pub link_hash: SecretHash,
}

/// An attempt to prove an address.
#[derive(Clone, Debug)]
pub struct CodeAttempt {
    /// Whose code it is said to be.
    pub of: CodeOf,
    /// What for. A code for anything else does not count.
    pub purpose: Purpose,
    /// What was typed.
    pub typed: TypedCode,
    /// Who tries, as limits count it.
    pub network: String,
    /// Now.
    pub now: Timestamp,
}

/// Among which codes an attempt is looked for.
#[derive(Clone, Debug)]
pub enum CodeOf {
    /// Those that programs asked for, for this address.
    Address(EmailAddress),
    /// Those that this browser asked for, whatever the address.
    Browser(SecretHash),
}

/// A browser's sign-in under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFlow {
    /// Where its newest code was mailed.
    pub email: EmailAddress,
    /// What it is for.
    pub purpose: Purpose,
    /// When that code ends.
    pub expires_at: Timestamp,
}

/// An address that somebody proved to read, just now. Only the store makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedEmail {
    pub(crate) email: EmailAddress,
    pub(crate) purpose: Purpose,
}

impl ProvedEmail {
    /// The address.
    pub fn email(&self) -> &EmailAddress {
        &self.email
    }

    /// What it was proved for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }
}

/// What the service does with mailed codes.
#[async_trait]
pub trait SignInCodes: Send + Sync {
    /// Keeps a code if one more mail may go out, and says which of the two lengths to mail. `None`: no mail, and
    /// what was outstanding stays as it was. Asking resets nothing; with one code more than a network may have
    /// for an address, the oldest gives way.
    async fn ask_for_code(&self, new: NewCode, origin: &Origin) -> Result<Option<Length>>;

    /// Takes a code back that could not be mailed, as if nobody had asked.
    async fn withdraw_code(&self, flow_id: FlowId) -> Result<()>;

    /// Judges an attempt. It is counted before anything is compared, in one step with the comparison, so that
    /// attempts at the same moment cannot be more than the rules allow; the right code uses itself up and takes
    /// its own count back. Wrong, used, too old, tried too often: one answer.
    async fn consume_code(
        &self,
        attempt: CodeAttempt,
        origin: &Origin,
    ) -> Result<Result<ProvedEmail, Refusal>>;

    /// Uses a link up in the browser that asked for it, and the code beside it; elsewhere it changes nothing.
    async fn consume_link(
        &self,
        link_hash: SecretHash,
        browser_hash: SecretHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<ProvedEmail, Refusal>>;

    /// What this browser asked for and has not used, for whatever purpose. Changes nothing.
    async fn code_flow(&self, browser_hash: SecretHash, now: Timestamp) -> Result<Option<CodeFlow>>;

    /// The account of an address that was proved for signing in, or a new one with it. Of two that come at the
    /// same moment for a new address both get the same account. Refused: the account is disabled, or the address
    /// rests after another account gave it up.
    async fn account_by_proved_email(
        &self,
        proved: ProvedEmail,
        new: NewAccount,
        origin: &Origin,
    ) -> Result<Result<Account, Refusal>>;
}
