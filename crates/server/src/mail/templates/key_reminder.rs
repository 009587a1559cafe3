//! The mail that says when a key ends.

use jiff::Timestamp;

use super::{Fact, Letter, Letterhead, Link, quoted};
use crate::mail::Mail;

/// For the key of this label, which ends within `days` days, at `end`.
pub(crate) fn key_reminder(head: Letterhead<'_>, to: &str, label: &str, days: u8, end: Timestamp) -> Mail {
    let product = head.product();
    let span = match days {
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    };
    let letter = Letter {
        subject: format!("An API key ends within {span} ({product})"),
        opening: vec![format!(
            "Your API key {} ends within {span}. From that instant on it neither mints nor refreshes tokens.",
            quoted(label)
        )],
        code: None,
        link: Some(Link { label: "Look at your API keys", url: head.url("/api-keys") }),
        closing: vec![
            "To go on, give it a later end, or make another key and exchange it before then. If it is not used any more, there is nothing to do."
                .to_owned(),
        ],
        facts: vec![Fact {
            name: "Ends",
            value: end.strftime("%-d %B %Y, %H:%M:%S UTC").to_string(),
        }],
    };
    letter.to(head, to, end)
}
