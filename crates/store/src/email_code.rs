//! Mailed codes and links, and the accounts they lead to.
//!
//! 1. [`Store::ask_for_code`](crate::Store::ask_for_code) keeps a code and says whether, and how long, it may be mailed.
//! 2. [`Store::consume_code`](crate::Store::consume_code) or
//!    [`Store::consume_link`](crate::Store::consume_link) turns it into a [`ProvedEmail`], once.
//! 3. [`Store::account_by_proved_email`](crate::Store::account_by_proved_email) finds the account of that address, or makes it.
//!
//! The rules are those of [`tm_auth_core::email_code::rules`]; an implementation keeps the books for them,
//! in the same transaction as what they decide.

use jiff::Timestamp;
use tm_auth_core::EmailAddress;
use tm_auth_core::email_code::{CodeMac, FlowId, Purpose, TypedCode};
use tm_auth_core::secret::SecretHash;

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

/// An address whose mail the caller has just proved to read. Only the store creates one.
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
