//! E-mail to users, sent in the background.
//!
//! 1. A template renders a [`Mail`]. It expires when it becomes useless, such as with its code.
//! 2. [`MailQueue::send`] checks the address and queues the mail, or fails with 503 if the queue is
//!    full.
//! 3. In `smtp` mode workers hand the mail to the server and retry until it expires. In `mailbox`
//!    mode it is available at once, for the page `/mailbox` and for tests.
//!
//! The queue is in memory: a crash loses the mail in it, and users have to ask for another code.

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

/// An e-mail to one recipient. `Debug` shows neither the address nor the content.
#[derive(Clone)]
pub(crate) struct Mail {
    /// A normalised address.
    pub(crate) to: String,
    /// Has no secrets: locked screens show it.
    pub(crate) subject: String,
    pub(crate) text: String,
    /// The HTML version, already escaped.
    pub(crate) html: String,
    /// The mail is dropped if it is not delivered by then.
    pub(crate) expires_at: Timestamp,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Takes mail from handlers.
pub(crate) struct MailQueue {
    clock: Arc<dyn Clock>,
    transport: Transport,
}

enum Transport {
    /// No mail server is configured.
    Disabled,
    /// Keeps mail in memory.
    Mailbox(Mailbox),
    /// Sends mail to a server.
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

    /// Starts the workers if a mail server is configured. Fails if TLS cannot be set up.
    pub(crate) fn start(&self, config: &Config) -> Result<Option<Workers>, lettre::transport::smtp::Error> {
        let (Transport::Smtp { queue, host, .. }, Delivery::Smtp(smtp)) =
            (&self.transport, config.delivery())
        else {
            return Ok(None);
        };
        let server = smtp::Server::new(smtp, host)?;
        Ok(Some(Workers::start(smtp, server, queue, &self.clock)))
    }

    /// Whether mail can be sent. If not, pages offer nothing that needs it.
    pub(crate) fn is_available(&self) -> bool {
        !matches!(self.transport, Transport::Disabled)
    }

    /// Whether there is room for mail that can wait. The second half of the queue is reserved for
    /// mail that users wait for.
    pub(crate) fn has_room(&self) -> bool {
        match &self.transport {
            Transport::Disabled => false,
            Transport::Mailbox(_) => true,
            Transport::Smtp { queue, .. } => queue.held() < queue::CAPACITY / 2,
        }
    }

    /// Queues a mail. Fails with 400 if mail cannot be sent to the address, and with 503 if the
    /// queue is full.
    pub(crate) fn send(&self, mail: Mail) -> Result<(), ApiError> {
        let to = address::check(&mail.to).map_err(|problem| ApiError::invalid("email", problem))?;
        if mail.subject.contains(char::is_control) {
            return Err(ApiError::internal("a mail's subject with a control character"));
        }
        match &self.transport {
            Transport::Disabled => Err(ApiError::with_message(
                ErrorCode::Unavailable,
                "This service sends no e-mail.".to_owned(),
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

    /// The mails in the mailbox, newest first. `None` in other modes.
    pub(crate) fn mailbox(&self) -> Option<Vec<Arc<Delivered>>> {
        match &self.transport {
            Transport::Mailbox(mailbox) => Some(mailbox.newest_first()),
            Transport::Disabled | Transport::Smtp { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
