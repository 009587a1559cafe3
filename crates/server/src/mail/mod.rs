//! Mail to people: from a handler's call to the mail server, without the handler waiting.
//!
//! 1. A template makes a [`Mail`]; its end is when it is of no use any more, such as its code's.
//! 2. [`MailQueue::send`] checks the address and takes it, or answers 503 where too much waits already.
//! 3. `smtp` mode: workers hand it to the server and try again until its end. `mailbox` mode: it is there
//!    at once, for the page `/mailbox` and for tests.
//!
//! The queue is memory: a crash loses what waits, and whoever waits for a code asks again.

mod address;
mod byte_wise;
mod mailbox;
mod message;
mod queue;
mod smtp;
pub(crate) mod templates;
mod worker;

use std::sync::Arc;

use jiff::Timestamp;
use tm_auth_proto::ErrorCode;

use crate::clock::Clock;
use crate::config::{Config, Delivery};
use crate::error::ApiError;
pub use mailbox::Delivered;
use mailbox::Mailbox;
use message::Message;
use queue::Queue;
pub(crate) use worker::Workers;

/// One mail to one person. `Debug` shows neither the address nor what it says.
#[derive(Clone)]
pub(crate) struct Mail {
    /// An address as it is stored.
    pub(crate) to: String,
    /// Nothing secret: it is shown on locked screens.
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The same for those who read HTML, already escaped.
    pub(crate) html: String,
    /// From when on it is not worth delivering.
    pub(crate) expires_at: Timestamp,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Where handlers leave mail.
pub(crate) struct MailQueue {
    clock: Arc<dyn Clock>,
    transport: Transport,
}

enum Transport {
    Disabled,
    Mailbox(Mailbox),
    Smtp {
        queue: Arc<Queue>,
        from: lettre::message::Mailbox,
        host: String,
    },
}

impl MailQueue {
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let transport = match config.delivery() {
            Delivery::Nowhere => Transport::Disabled,
            Delivery::Mailbox => Transport::Mailbox(Mailbox::default()),
            Delivery::Smtp(smtp) => Transport::Smtp {
                queue: Arc::default(),
                from: smtp.from.clone(),
                host: config.public_url.host().to_owned(),
            },
        };
        Self { clock, transport }
    }

    /// Starts the workers, where there is a mail server. The error: its TLS cannot be set up.
    pub(crate) fn start(&self, config: &Config) -> Result<Option<Workers>, lettre::transport::smtp::Error> {
        let (Transport::Smtp { queue, host, .. }, Delivery::Smtp(smtp)) =
            (&self.transport, config.delivery())
        else {
            return Ok(None);
        };
        let server = smtp::Server::new(smtp, host)?;
        Ok(Some(Workers::start(smtp, server, queue, &self.clock)))
    }

    /// Whether mail can be sent at all. Where it cannot, nothing that needs it is offered.
    pub(crate) fn is_available(&self) -> bool {
        !matches!(self.transport, Transport::Disabled)
    }

    /// Whether there is room for what can wait. The rest of it is kept for what somebody is waiting for.
    pub(crate) fn has_room(&self) -> bool {
        match &self.transport {
            Transport::Disabled => false,
            Transport::Mailbox(_) => true,
            Transport::Smtp { queue, .. } => queue.held() < queue::CAPACITY / 2,
        }
    }

    /// Takes a mail. 400: the address is none that mail can be sent to; 503: too much waits already.
    pub(crate) fn send(&self, mail: Mail) -> Result<(), ApiError> {
        let to = address::check(&mail.to).map_err(|problem| ApiError::invalid("email", problem))?;
        if mail.subject.contains(char::is_control) {
            return Err(ApiError::internal("a mail's subject with a control character"));
        }
        match &self.transport {
            Transport::Disabled => Err(ApiError::with_message(
                ErrorCode::Unavailable,
                "This service sends no mail.".to_owned(),
            )),
            Transport::Mailbox(mailbox) => {
                mailbox.put(mail, self.clock.now());
                Ok(())
            }
            Transport::Smtp { queue, from, host } => {
                let message = Message::new(mail, to, from, host, self.clock.now());
                let message = message.map_err(ApiError::internal)?;
                if queue.put(message).is_err() {
                    crate::metrics::mail_dropped("full", 1);
                    return Err(ApiError::unavailable("the mail queue is full"));
                }
                crate::metrics::mail_queued();
                Ok(())
            }
        }
    }

    /// What the mailbox holds, newest first; `None`: there is no mailbox.
    pub(crate) fn mailbox(&self) -> Option<Vec<Arc<Delivered>>> {
        match &self.transport {
            Transport::Mailbox(mailbox) => Some(mailbox.newest_first()),
            Transport::Disabled | Transport::Smtp { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
