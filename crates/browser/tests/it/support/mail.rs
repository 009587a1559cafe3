//! Reads mail from the service's mailbox.

use std::time::{Duration, Instant};

use super::Service;

/// A received mail.
#[derive(Debug)]
pub(crate) struct ReceivedMail {
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Service {
    /// The mails to this address, newest first.
    pub(crate) fn mails(&self, address: &str) -> Vec<ReceivedMail> {
        let mails = self.app.mailbox().expect("a service with a mailbox");
        let to_them = mails.iter().filter(|mail| mail.to == address);
        to_them
            .map(|mail| ReceivedMail {
                subject: mail.subject.clone(),
                text: mail.text.clone(),
            })
            .collect()
    }

    /// Waits for a mail to this address that contains this text. Mail is sent after the response.
    pub(crate) async fn mail(&self, address: &str, saying: &str) -> ReceivedMail {
        self.mail_beyond(address, 0, saying).await
    }

    /// Waits for the mail after the first `before` mails to this address.
    pub(crate) async fn next_mail(&self, address: &str, before: usize) -> ReceivedMail {
        self.mail_beyond(address, before, "").await
    }

    async fn mail_beyond(&self, address: &str, before: usize, saying: &str) -> ReceivedMail {
        let begun = Instant::now();
        loop {
            let mut mails = self.mails(address);
            mails.truncate(mails.len().saturating_sub(before));
            let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.clone()).collect();
            if let Some(mail) = mails.into_iter().find(|mail| mail.says(saying)) {
                return mail;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no mail contains {saying:?}: {subjects:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl ReceivedMail {
    fn says(&self, what: &str) -> bool {
        self.subject.contains(what) || self.text.contains(what)
    }

    /// The code in the mail.
    pub(crate) fn code(&self) -> String {
        let code = self.text.lines().map(str::trim).find(|line| {
            line.len() >= 8
                && line
                    .chars()
                    .all(|character| character.is_ascii_digit() || character == '-')
        });
        code.unwrap_or_else(|| panic!("no code in {self:?}")).to_owned()
    }

    /// The login link in the mail.
    pub(crate) fn link(&self) -> String {
        let link = self
            .text
            .lines()
            .map(str::trim)
            .find(|line| line.contains("/sign-in/link"));
        link.unwrap_or_else(|| panic!("no link in {self:?}")).to_owned()
    }
}
