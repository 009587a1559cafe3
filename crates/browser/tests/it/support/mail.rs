//! What the service mailed, as it lies in its mailbox.

use std::time::{Duration, Instant};

use super::Service;

/// A mail that somebody got.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Service {
    /// The mails to this address, newest first.
    pub(crate) fn mails(&self, address: &str) -> Vec<Letter> {
        let mails = self.app.mailbox().expect("a service with a mailbox");
        let to_them = mails.iter().filter(|mail| mail.to == address);
        to_them
            .map(|mail| Letter {
                subject: mail.subject.clone(),
                text: mail.text.clone(),
            })
            .collect()
    }

    /// The mail to this address that says this, once it is there: mail leaves after the answer.
    pub(crate) async fn mail(&self, address: &str, saying: &str) -> Letter {
        self.mail_beyond(address, 0, saying).await
    }

    /// The first mail to this address after so many.
    pub(crate) async fn next_mail(&self, address: &str, before: usize) -> Letter {
        self.mail_beyond(address, before, "").await
    }

    async fn mail_beyond(&self, address: &str, before: usize, saying: &str) -> Letter {
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
                "no mail says {saying:?}: {subjects:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Letter {
    fn says(&self, what: &str) -> bool {
        self.subject.contains(what) || self.text.contains(what)
    }

    /// The code to type, as it is written.
    pub(crate) fn code(&self) -> String {
        let code = self.text.lines().map(str::trim).find(|line| {
            line.len() >= 8
                && line
                    .chars()
                    .all(|character| character.is_ascii_digit() || character == '-')
        });
        code.unwrap_or_else(|| panic!("no code in {self:?}")).to_owned()
    }

    /// The link to follow.
    pub(crate) fn link(&self) -> String {
        let link = self
            .text
            .lines()
            .map(str::trim)
            .find(|line| line.contains("/sign-in/link"));
        link.unwrap_or_else(|| panic!("no link in {self:?}")).to_owned()
    }
}
