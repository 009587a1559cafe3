//! The e-mail that announces the expiry of a key.

use tm_auth_store::outbox::Reminder;

use super::isolate::quoted;
use super::{Fact, Letter, Letterhead, Link};
use crate::mail::Mail;

/// The reminder for a key.
pub(crate) fn key_reminder(head: Letterhead<'_>, to: &str, reminder: &Reminder) -> Mail {
    let product = head.product();
    let span = match reminder.days {
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    };
    let letter = Letter {
        subject: format!("An API key expires within {span} ({product})"),
        opening: vec![format!(
            "Your API key {} expires within {span}. Programs cannot use it after that.",
            quoted(&reminder.label)
        )],
        code: None,
        link: Some(Link { label: "Open your API keys", url: head.url("/api-keys") }),
        closing: vec![
            "To keep using it, set a later expiry, or create another key and switch to it before then. If you no longer need the key, you do not have to do anything."
                .to_owned(),
        ],
        facts: vec![Fact {
            name: "Expires",
            value: reminder.expires_at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string(),
        }],
    };
    letter.to(head, to)
}
