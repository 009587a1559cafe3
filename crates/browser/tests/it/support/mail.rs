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
        mails
            .iter()
            .filter(|mail| mail.to == address)
            .map(|mail| ReceivedMail {
                subject: mail.subject.clone(),
                text: mail.text.clone(),
            })
            .collect()
    }

    /// Waits for a mail to this address that contains this text. The service sends mail after its
    /// response, so the mail may not be there yet.
    pub(crate) async fn mail(&self, address: &str, text: &str) -> ReceivedMail {
        self.wait_for_mail(address, 0, text).await
    }

    /// Waits for a mail to this address. Ignores the `before` oldest ones.
    pub(crate) async fn next_mail(&self, address: &str, before: usize) -> ReceivedMail {
        self.wait_for_mail(address, before, "").await
    }

    /// Waits for a mail to this address that contains this text. Ignores the `before` oldest ones.
    async fn wait_for_mail(&self, address: &str, before: usize, text: &str) -> ReceivedMail {
        let started = Instant::now();
        loop {
            let mut mails = self.mails(address);
            mails.truncate(mails.len().saturating_sub(before));
            let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.clone()).collect();
            if let Some(mail) = mails.into_iter().find(|mail| mail.contains(text)) {
                return mail;
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "no mail contains {text:?}: {subjects:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl ReceivedMail {
    fn contains(&self, text: &str) -> bool {
        self.subject.contains(text) || self.text.contains(text)
    }

    /// The code in the mail: a line of at least eight digits and hyphens.
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
