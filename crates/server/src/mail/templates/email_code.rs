//! The mail with code and link.

use jiff::Timestamp;

use super::{Fact, Letter, Letterhead, Link, coarse_network, time};
use crate::http::context::Context;
use crate::mail::Mail;

/// What the code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodePurpose {
    SignIn,
    SetEmail,
}

/// A code about to be mailed.
pub(crate) struct EmailCode<'a> {
    /// An address as it is stored.
    pub(crate) to: &'a str,
    pub(crate) purpose: CodePurpose,
    /// Its digits.
    pub(crate) code: &'a str,
    /// Path and fragment, such as `/sign-in/link#…`.
    pub(crate) link: Option<&'a str>,
    /// The browser or program that asked, coarsely: "Firefox on Linux".
    pub(crate) device: &'a str,
    pub(crate) expires_at: Timestamp,
}

pub(crate) fn email_code(head: Letterhead<'_>, context: &Context, it: &EmailCode<'_>) -> Mail {
    let product = head.product();
    let (subject, opening, label, otherwise) = match it.purpose {
        CodePurpose::SignIn => (
            format!("Sign in to {product}"),
            format!("Your code to sign in to {product}:"),
            "Sign in, in the browser where you asked",
            "If you did not ask for it, ignore this mail: without the code nobody is signed in.",
        ),
        CodePurpose::SetEmail => (
            format!("Confirm your address for {product}"),
            format!("Your code to make this the address of your {product} account:"),
            "Confirm, in the browser where you asked",
            "If you did not ask for it, ignore this mail: without the code nothing changes.",
        ),
    };
    let until = format!("It works once, until {}.", time(it.expires_at));
    let letter = Letter {
        subject,
        opening: vec![opening],
        code: Some(grouped(it.code)),
        link: it.link.map(|path| Link {
            label,
            url: head.url(path),
        }),
        closing: vec![
            until,
            "Do not share the code or the link: whoever has one can act as you. Nobody at True Markets ever asks for it."
                .to_owned(),
            otherwise.to_owned(),
        ],
        facts: vec![
            Fact { name: "Asked for", value: time(context.now) },
            Fact { name: "By", value: it.device.to_owned() },
            Fact { name: "From", value: coarse_network(context.address) },
        ],
    };
    letter.to(head, it.to, it.expires_at)
}

/// A code as it is shown and read out: `1234-5678`.
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
