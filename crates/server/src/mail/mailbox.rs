//! The mailbox in memory: the newest e-mails, for trying the service on one's own machine.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::Mail;

/// The most e-mails it holds. A new one replaces the oldest.
const CAPACITY: usize = 200;

/// An e-mail as the recipient would get it.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The time when it was sent.
    pub at: Timestamp,
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The plain-text body.
    pub text: String,
    /// The HTML body.
    pub html: String,
}

impl std::fmt::Debug for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivered")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(super) struct Mailbox(Mutex<VecDeque<Arc<Delivered>>>);

impl Mailbox {
    pub(super) fn put(&self, mail: Mail, at: Timestamp) {
        let mut mails = self.0.lock().expect("nothing panics while holding it");
        mails.truncate(CAPACITY - 1);
        mails.push_front(Arc::new(Delivered {
            at,
            to: mail.to,
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
        }));
    }

    pub(super) fn newest_first(&self) -> Vec<Arc<Delivered>> {
        let mails = self.0.lock().expect("nothing panics while holding it");
        mails.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f20_the_mailbox_holds_the_last_mails_newest_first() {
        let mailbox = Mailbox::default();
        for number in 0..CAPACITY + 5 {
            let mail = Mail {
                to: "a@x.com".to_owned(),
                subject: number.to_string(),
                text: "12345678".to_owned(),
                html: String::new(),
            };
            assert!(!format!("{mail:?}").contains("x.com"));
            mailbox.put(mail, Timestamp::UNIX_EPOCH);
        }
        let mails = mailbox.newest_first();
        assert_eq!(mails.len(), CAPACITY);
        assert_eq!(mails[0].subject, (CAPACITY + 4).to_string());
        assert_eq!(mails[CAPACITY - 1].subject, "5");
        assert!(!format!("{:?}", mails[0]).contains("1234"));
    }
}
