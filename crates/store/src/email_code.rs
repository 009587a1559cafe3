//! Codes and links by e-mail, and the accounts that they log in to.
//!
//! 1. [`Store::ask_for_code`](crate::Store::ask_for_code) stores a code and returns whether it may
//!    be sent, and at which length.
//! 2. [`Store::consume_code`](crate::Store::consume_code) or
//!    [`Store::consume_link`](crate::Store::consume_link) turns it into a [`ProvedEmail`], once.
//! 3. [`Store::account_by_proved_email`](crate::Store::account_by_proved_email) returns the account
//!    of that address, or creates it.
//!
//! The limits are those of [`tm_auth_core::email_code::rules`]. The store counts and applies them
//! in one transaction.

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::EmailAddress;
use tm_auth_core::email_code::{CodeMac, FlowId, Length, Purpose, TypedCode};
use tm_auth_core::secret::SecretHash;

/// A request for a code.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// New random id.
    pub flow_id: FlowId,
    /// Recipient.
    pub email: EmailAddress,
    /// The client's network, as the limits count it.
    pub network: String,
    /// The client's site, as the limits count it: an IPv4 address or an IPv6 /48.
    pub site: String,
    /// Purpose of the code.
    pub purpose: Purpose,
    /// MAC of the short code.
    pub short: CodeMac,
    /// MAC of the long code. [`Store::ask_for_code`](crate::Store::ask_for_code) decides which of
    /// the two is sent.
    pub long: CodeMac,
    /// The requesting browser, and its link. `None`: a program requests the code and needs no link.
    pub browser: Option<NewLink>,
    /// The mails with either code.
    pub mail: SealedCodes,
    /// Time of the request.
    pub asked_at: Timestamp,
}

/// What the outbox holds of a code. It is sealed, because a reader of the database must not learn
/// codes and links.
#[derive(Clone, Debug, Default)]
pub struct SealedCodes {
    /// With the short code.
    pub short: Vec<u8>,
    /// With the long code.
    pub long: Vec<u8>,
}

/// Result of a request for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedCode {
    /// A code of this length is to be sent.
    Sent(Length),
    /// The client's network or site has to wait this long, and has no code that it can use. This
    /// depends on its own requests for the address alone, so the client may be told.
    Wait(SignedDuration),
    /// Nothing is sent. Either the client has to wait but can use an earlier code, or others caused
    /// it, and the client is not told.
    NotSent,
    /// Nothing is sent: [`MAX_CODES`](crate::outbox::MAX_CODES) wait to be mailed. This does not
    /// depend on the address.
    Full,
}

/// The part of a code for a browser.
#[derive(Clone, Copy, Debug)]
pub struct NewLink {
    /// Hash of the browser's flow cookie. Code and link work in this browser only.
    pub browser_hash: SecretHash,
    /// Hash of the link's token.
    pub link_hash: SecretHash,
}

/// An attempt to verify an address with a code.
#[derive(Clone, Debug)]
pub struct CodeAttempt {
    /// Which codes it is compared with.
    pub of: CodeOf,
    /// Purpose of the attempt. A code for another purpose does not match.
    pub purpose: Purpose,
    /// The submitted code.
    pub typed: TypedCode,
    /// The client's network, as the limits count it.
    pub network: String,
    /// Time of the attempt.
    pub now: Timestamp,
}

/// The codes that an attempt is compared with.
#[derive(Clone, Debug)]
pub enum CodeOf {
    /// The codes that programs requested for this address.
    Address(EmailAddress),
    /// The codes that the browser with this hash requested, for any address.
    Browser(SecretHash),
}

/// The newest code that a browser requested and has not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFlow {
    /// Recipient.
    pub email: EmailAddress,
    /// Purpose of the code.
    pub purpose: Purpose,
    /// When the code expires.
    pub expires_at: Timestamp,
}

/// An address that was verified just now. Only the store creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedEmail {
    pub(crate) email: EmailAddress,
    pub(crate) purpose: Purpose,
}

impl ProvedEmail {
    /// The verified address.
    pub fn email(&self) -> &EmailAddress {
        &self.email
    }

    /// Purpose of the code.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }
}
