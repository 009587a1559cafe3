//! E-mail addresses: one normalisation, made at the edge and nowhere else.
//!
//! The normalised address is all there is: the key by which an account is found, what is stored and what mail
//! is sent to. So a mail can never go to another mailbox than the one that was looked up.
//!
//! 1. Spaces around it are dropped; it has one `@`, and at most 254 octets (RFC 5321 section 4.5.3.1.3).
//! 2. The local part is an ASCII dot-atom (RFC 5322 section 3.2.3) of at most 64 octets, and lower case is the
//!    same. No provider in use tells `Ada` from `ada`, while people type both. Quoted strings, comments and
//!    non-ASCII local parts are refused: mail servers disagree about which of those are equal.
//! 3. The domain goes through UTS 46 (IDNA 2008, non-transitional) to its A-labels in lower case: what a mail
//!    server looks up. Composed and decomposed letters, ligatures and width variants thereby are one domain;
//!    look-alikes of another script are others, as in the DNS. Two labels at least, no address literal, no dot
//!    at the end.
//!
//! Dots and `+tags` stay: what they mean is each provider's own affair.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::Refusal;

/// RFC 5321 section 4.5.3.1.3: a path has at most 256 octets, two of them are its brackets.
const MAX_OCTETS: usize = 254;
/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL_OCTETS: usize = 64;

/// A normalised address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Normalises what somebody typed.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        normalise(text)
            .map(Self)
            .map_err(|problem| Refusal::InvalidField {
                field: "email",
                problem: problem.to_owned(),
            })
    }

    /// As it is stored and mailed to.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EmailAddress {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

fn normalise(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "must be one address such as ada@example.com";
    let text = text.trim_matches(' ');
    if text.len() > MAX_OCTETS {
        return Err("must have at most 254 octets");
    }
    let (local, domain) = text.split_once('@').ok_or(FORM)?;
    if local.is_empty() || domain.is_empty() || domain.contains('@') {
        return Err(FORM);
    }
    let address = format!("{}@{}", normalise_local(local)?, normalise_domain(domain)?);
    // A-labels may be longer than what was typed.
    if address.len() > MAX_OCTETS {
        return Err("must have at most 254 octets");
    }
    Ok(address)
}

fn normalise_local(local: &str) -> Result<String, &'static str> {
    if local.len() > MAX_LOCAL_OCTETS {
        return Err("must have at most 64 octets before the @");
    }
    if !local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
    {
        return Err("may have only ASCII letters, digits, !#$%&'*+-/=?^_`{|}~ and single dots before the @");
    }
    Ok(local.to_ascii_lowercase())
}

/// RFC 5322 section 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn normalise_domain(domain: &str) -> Result<String, &'static str> {
    const PROBLEM: &str = "must have a domain name after the @";
    let domain = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::Check,
            DnsLength::Verify,
        )
        .map_err(|_| PROBLEM)?;
    let (_, top) = domain.rsplit_once('.').ok_or(PROBLEM)?;
    // No top-level domain is a number; `127.0.0.1` and the like are addresses of machines.
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PROBLEM);
    }
    Ok(domain.into_owned())
}

#[cfg(test)]
mod tests;
