//! The e-mail with a code and a link.

use jiff::Timestamp;

use super::{Fact, Letter, Letterhead, Link, coarse_network, time};
use crate::http::context::Context;
use crate::mail::Mail;

/// The purpose of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodePurpose {
    SignIn,
    SetEmail,
}

/// A code to send.
pub(crate) struct EmailCodeMail<'a> {
    /// A normalised address.
    pub(crate) to: &'a str,
    pub(crate) purpose: CodePurpose,
    /// Digits only.
    pub(crate) code: &'a str,
    /// The link's path and fragment, such as `/sign-in/link#…`.
    pub(crate) link: Option<&'a str>,
    /// The browser or program that asked for the code, such as "Firefox on Linux".
    pub(crate) device: &'a str,
    pub(crate) expires_at: Timestamp,
}

pub(crate) fn email_code(head: Letterhead<'_>, context: &Context, code: &EmailCodeMail<'_>) -> Mail {
    let product = head.product();
    let (subject, opening, label, otherwise) = match code.purpose {
        CodePurpose::SignIn => (
            format!("Log in to {product}"),
            format!("Your code to log in to {product}:"),
            "Log in",
            "If you did not ask for this code, ignore this e-mail: without the code, no login is possible.",
        ),
        CodePurpose::SetEmail => (
            format!("Verify your address for {product}"),
            format!("Your code to use this address for your {product} account:"),
            "Verify the address",
            "If you did not ask for this code, ignore this e-mail: without the code, nothing changes.",
        ),
    };
    let until = time(code.expires_at);
    let usage = if code.link.is_some() {
        format!(
            "Use the code or the link in the browser where you asked for it. It works once, until {until}."
        )
    } else {
        format!("The code works once, until {until}.")
    };
    let letter = Letter {
        subject,
        opening: vec![opening],
        code: Some(grouped(code.code)),
        link: code.link.map(|path| Link {
            label,
            url: head.url(path),
        }),
        closing: vec![
            usage,
            "Do not share the code or the link with anyone. True Markets staff never ask for them."
                .to_owned(),
            otherwise.to_owned(),
        ],
        facts: vec![
            Fact {
                name: "Requested",
                value: time(context.now),
            },
            Fact {
                name: "Device",
                value: code.device.to_owned(),
            },
            Fact {
                name: "From",
                value: coarse_network(context.address),
            },
        ],
    };
    letter.to(head, code.to, code.expires_at)
}

/// A code in groups of four digits: `1234-5678`.
fn grouped(code: &str) -> String {
    let digits: Vec<char> = code.chars().collect();
    let groups: Vec<String> = digits.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f20_codes_are_shown_in_groups_of_four() {
        assert_eq!(grouped("12345678"), "1234-5678");
        assert_eq!(grouped("1234567812345678"), "1234-5678-1234-5678");
        assert_eq!(grouped("123456"), "1234-56");
    }
}
