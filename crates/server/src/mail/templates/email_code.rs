//! The e-mail with a code and a link.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tm_auth_core::email_code::LIFE;

use super::{Fact, Letter, Letterhead, Link, coarse_network, time};
use crate::mail::Mail;

/// The purpose of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CodePurpose {
    SignIn,
    SetEmail,
}

/// A code to send, as it waits, sealed. No `Debug`: it has the code.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CodeLetter {
    pub(crate) purpose: CodePurpose,
    /// Digits only.
    pub(crate) code: String,
    /// The link's path and fragment, such as `/sign-in/link#…`.
    pub(crate) link: Option<String>,
    /// The browser or program that asked for the code, such as "Firefox on Linux".
    pub(crate) device: String,
    /// The address that asked for the code.
    pub(crate) ip: IpAddr,
}

pub(crate) fn email_code(head: Letterhead<'_>, to: &str, asked_at: Timestamp, code: &CodeLetter) -> Mail {
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
    let until = time(asked_at + LIFE);
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
        code: Some(grouped(&code.code)),
        link: code.link.as_deref().map(|path| Link {
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
                value: time(asked_at),
            },
            Fact {
                name: "Device",
                value: code.device.clone(),
            },
            Fact {
                name: "From",
                value: coarse_network(code.ip),
            },
        ],
    };
    letter.to(head, to)
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
