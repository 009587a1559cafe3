//! Mails in the sandbox's mailbox.

use std::sync::Arc;

use tm_auth_server::mail::Delivered;

use super::TestServer;

/// A mail with a code.
pub(crate) struct CodeMail {
    /// `1234-5678`
    pub(crate) code: String,
    /// The token of the link, if the mail has one.
    pub(crate) token: Option<String>,
    pub(crate) mail: Arc<Delivered>,
}

impl TestServer {
    pub(crate) fn inbox(&self, address: &str) -> Vec<Arc<Delivered>> {
        let mails = self.app.mailbox().expect("the sandbox has a mailbox");
        mails.into_iter().filter(|mail| mail.to == address).collect()
    }

    /// The newest mail to this address, which must contain a code.
    pub(crate) fn code_mail(&self, address: &str) -> CodeMail {
        let mails = self.inbox(address);
        let mail = mails.first().unwrap_or_else(|| panic!("no mail to {address}"));
        let is_code = |word: &&str| word.len() >= 9 && word.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let code = mail.text.split_whitespace().find(is_code);
        let token = mail
            .text
            .split_once("#token=")
            .map(|(_, rest)| rest[..43].to_owned());
        CodeMail {
            code: code.expect("the mail contains a code").to_owned(),
            token,
            mail: Arc::clone(mail),
        }
    }
}
