//! The content of e-mails. Each is a [`Letter`], rendered as plain text and as HTML.
//!
//! An e-mail has the service's origin, the time in UTC, and the approximate device and network. It
//! does not have the recipient's name or address, and its subject has no code, because locked
//! screens show subjects. Links start with the configured public origin, never with the host of a
//! request.

mod email_code;
mod isolate;
mod key_reminder;
pub(crate) mod key_words;
mod notice;

use std::net::IpAddr;

use askama::Template;
use jiff::Timestamp;
use tm_auth_proto::Environment;

use super::Mail;
use crate::config::PublicUrl;

pub(crate) use email_code::{CodeLetter, CodePurpose, email_code};
pub(crate) use isolate::{Part, parts};
pub(crate) use key_reminder::key_reminder;
pub(crate) use notice::notices;

/// The facts about the service in every e-mail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letterhead<'a> {
    environment: Environment,
    /// The origin of every link.
    origin: &'a str,
}

impl<'a> Letterhead<'a> {
    pub(crate) fn new(environment: Environment, public_url: &'a PublicUrl) -> Self {
        Self {
            environment,
            origin: public_url.origin(),
        }
    }

    /// The name of the service.
    fn product(self) -> &'static str {
        match self.environment {
            Environment::Production => "True Markets",
            Environment::Uat => "True Markets UAT",
        }
    }

    /// The URL of a page. `path` starts with a slash.
    fn url(self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// The parts of an e-mail, in reading order.
struct Letter {
    subject: String,
    opening: Vec<String>,
    code: Option<String>,
    link: Option<Link>,
    closing: Vec<String>,
    facts: Vec<Fact>,
}

struct Link {
    label: &'static str,
    url: String,
}

struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    opening: &'a [String],
    code: Option<&'a str>,
    link: Option<&'a Link>,
    closing: &'a [String],
    facts: &'a [Fact],
    product: &'a str,
    origin: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    subject: &'a str,
    opening: &'a [String],
    code: Option<&'a str>,
    link: Option<&'a Link>,
    closing: &'a [String],
    facts: &'a [Fact],
    product: &'a str,
    origin: &'a str,
}

impl Letter {
    fn to(self, head: Letterhead<'_>, address: &str) -> Mail {
        let (product, origin) = (head.product(), head.origin);
        let (code, link) = (self.code.as_deref(), self.link.as_ref());
        let text = Text {
            opening: &self.opening,
            code,
            link,
            closing: &self.closing,
            facts: &self.facts,
            product,
            origin,
        };
        let html = Html {
            subject: &self.subject,
            opening: &self.opening,
            code,
            link,
            closing: &self.closing,
            facts: &self.facts,
            product,
            origin,
        };
        Mail {
            to: address.to_owned(),
            text: text.render().expect("rendering to a string cannot fail"),
            html: html.render().expect("rendering to a string cannot fail"),
            subject: self.subject,
        }
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// The network of an address: enough to recognise one's own.
fn coarse_network(address: IpAddr) -> String {
    match address.to_canonical() {
        address if address.is_loopback() => "this machine".to_owned(),
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.*")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:*")
        }
    }
}

/// Masks an e-mail address so that only those who know it recognise it.
fn masked(email: &str) -> String {
    match email.split_once('@') {
        Some((local, domain)) => {
            let first: String = local.chars().take(1).collect();
            format!("{first}\u{2026}@{domain}")
        }
        None => "\u{2026}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f20_networks_are_coarse_and_addresses_masked() {
        for (address, shown) in [
            ("203.0.113.77", "203.0.113.*"),
            ("::ffff:203.0.113.77", "203.0.113.*"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:*"),
            ("127.0.0.1", "this machine"),
            ("::1", "this machine"),
        ] {
            assert_eq!(coarse_network(address.parse().unwrap()), shown);
        }
        assert_eq!(masked("alice@example.com"), "a\u{2026}@example.com");
        assert_eq!(masked("nonsense"), "\u{2026}");
    }

    #[test]
    fn f20_times_are_in_utc() {
        let at = "2026-11-04T09:05:59Z".parse().unwrap();
        assert_eq!(time(at), "4 November 2026, 09:05 UTC");
    }
}
