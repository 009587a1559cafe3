//! An e-mail as it is sent. It is built once and is the same for every attempt, so that its
//! `Message-ID` identifies duplicates.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use super::Mail;
use crate::random;

#[derive(Clone)]
pub(super) struct Message {
    pub(super) envelope: Envelope,
    pub(super) bytes: Arc<[u8]>,
    pub(super) expires_at: Timestamp,
    /// The number of failed attempts.
    pub(super) failures: u32,
    /// The span of the request that sent it, so that log lines about its delivery have that
    /// request's id.
    pub(super) span: tracing::Span,
}

impl Message {
    /// `host` is this service's host name, for the `Message-ID`.
    pub(super) fn new(
        mail: Mail,
        to: Address,
        from: &Mailbox,
        host: &str,
        now: Timestamp,
    ) -> Result<Self, lettre::error::Error> {
        let id = uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
        let mut message = lettre::Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .date(UNIX_EPOCH + Duration::from_secs(now.as_second().max(0).unsigned_abs()))
            .message_id(Some(format!("<{id}@{host}>")))
            .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))?;
        // RFC 3834 section 5: prevents automatic replies.
        message.headers_mut().insert_raw(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
        Ok(Self {
            envelope: message.envelope().clone(),
            bytes: message.formatted().into(),
            expires_at: mail.expires_at,
            failures: 0,
            span: tracing::Span::current(),
        })
    }
}
