//! Normalization of e-mail addresses.
//!
//! Addresses are normalized once, when they are parsed. The service stores the normalized address,
//! finds accounts by it, and sends e-mail to it. An e-mail can therefore never go to another
//! mailbox than the one that was looked up.
//!
//! 1. White space and invisible characters around the address are removed. Of `<a@example.com>` and
//!    `Ada <a@example.com>`, which address books copy, the address is what counts. The full-width
//!    and small forms of `@` are `@`. The address has one `@` and at most 254 octets (RFC 5321
//!    section 4.5.3.1.3).
//! 2. The local part is an ASCII dot-atom (RFC 5322 section 3.2.3) of at most 64 octets. It becomes
//!    lower case: users type both `Ada` and `ada`, and providers deliver both to the same mailbox.
//!    Quoted strings, comments and non-ASCII characters are refused, because mail servers disagree
//!    about which of those are equal.
//! 3. The domain becomes lower-case A-labels by UTS 46 (non-transitional), the form that mail
//!    servers look up. Composed and decomposed letters, ligatures and width variants thus become
//!    equal. Look-alikes from other scripts stay different, as in the DNS. The domain has at least
//!    two labels, is not an address literal, and does not end with a dot.
//!
//! Dots and `+tags` in the local part stay, because their meaning depends on the provider.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::Refusal;

/// RFC 5321 section 4.5.3.1.3: at most 256 octets for a path, of which two are its brackets.
const MAX_OCTETS: usize = 254;
/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL_OCTETS: usize = 64;

/// A normalized e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Normalizes an address as typed by a user.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        normalize(text)
            .map(Self)
            .map_err(|problem| Refusal::InvalidField {
                field: "email",
                problem: problem.to_owned(),
            })
    }

    /// The normalized address.
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

fn normalize(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "must be one address, such as ada@example.com";
    let text = within_brackets(trim(text)).ok_or(FORM)?;
    let text = &text.replace(['\u{ff20}', '\u{fe6b}'], "@");
    if text.len() > MAX_OCTETS {
        return Err("must have at most 254 characters");
    }
    let (local, domain) = text.split_once('@').ok_or(FORM)?;
    if local.is_empty() || domain.is_empty() || domain.contains('@') {
        return Err(FORM);
    }
    let address = format!("{}@{}", normalize_local(local)?, normalize_domain(domain)?);
    // A-labels can be longer than the text that the user typed.
    if address.len() > MAX_OCTETS {
        return Err("must have at most 254 characters");
    }
    Ok(address)
}

/// Removes white space and the invisible characters that a copied text begins or ends with.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| {
        let is_invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        c.is_whitespace() || is_invisible
    })
}

/// The address of `<a@example.com>` or `Ada <a@example.com>`, or else the whole text. `None` if the
/// name could be another address, or the text has several lines or addresses.
fn within_brackets(text: &str) -> Option<&str> {
    let Some(open) = text.strip_suffix('>') else {
        return Some(text);
    };
    let (name, address) = open.split_once('<')?;
    let is_name = |c: char| !c.is_control() && !"<>@\u{ff20}\u{fe6b},;:".contains(c);
    (name.chars().all(is_name) && !address.contains(['<', '>'])).then(|| trim(address))
}

fn normalize_local(local: &str) -> Result<String, &'static str> {
    if local.len() > MAX_LOCAL_OCTETS {
        return Err("must have at most 64 characters before the @");
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

fn normalize_domain(domain: &str) -> Result<String, &'static str> {
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
    // No top-level domain is numeric; this is an IP address such as `127.0.0.1`.
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PROBLEM);
    }
    Ok(domain.into_owned())
}

#[cfg(test)]
mod tests;
