//! An e-mail as it is sent.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::compose::Ready;

pub(super) struct Message {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// `host` is this service's host name, for the `Message-ID`. It and the date are the same for
    /// every attempt, so that duplicates can be recognised.
    pub(super) fn new(ready: &Ready, from: &Mailbox, host: &str) -> Result<Self, lettre::error::Error> {
        let mail = ready.mail.clone();
        let created_at = ready.created_at.as_second().max(0).unsigned_abs();
        let mut message = lettre::Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, ready.to.clone()))
            .subject(mail.subject)
            .date(UNIX_EPOCH + Duration::from_secs(created_at))
            .message_id(Some(format!("<{}@{host}>", ready.message_id)))
            .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))?;
        // RFC 3834 section 5: prevents automatic replies.
        message.headers_mut().insert_raw(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
        Ok(Self {
            envelope: message.envelope().clone(),
            bytes: message.formatted(),
        })
    }
}
